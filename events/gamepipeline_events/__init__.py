"""The event, command and pipeline-file contract of GamePipeline."""
