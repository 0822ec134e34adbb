"""Folds over the event stream of GamePipeline: state, status, replay."""
