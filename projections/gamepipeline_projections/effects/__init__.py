"""What each event does to the pipeline, to a step, to its service. Pure; ``evolve`` is the way in."""
