"""The engine of GamePipeline: runs pipelines of container steps on Docker hosts."""
