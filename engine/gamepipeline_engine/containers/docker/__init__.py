"""The adapter of the port for a real Docker daemon, on aiodocker."""

from gamepipeline_engine.containers.docker.adapter import DockerContainers

__all__ = ["DockerContainers"]
