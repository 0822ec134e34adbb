"""The adapter of the port without a daemon: scripted, strict, on a clock that need not be real.

One ``FakeDaemon`` is a machine; each ``FakeContainers`` is one engine's view of it, for a realm.
It keeps the same rules as the real thing (tests/contract/test_containers.py runs on both) and is
harsher where a real daemon is only sometimes harsh: following always loses an unterminated last
line, and a command it cannot imitate is refused when the container is created.
"""

from gamepipeline_engine.containers.fake.adapter import FakeContainers
from gamepipeline_engine.containers.fake.clock import ManualClock, ScaledClock
from gamepipeline_engine.containers.fake.daemon import FakeDaemon
from gamepipeline_engine.containers.fake.faults import Faults
from gamepipeline_engine.containers.fake.script import FakeImage, FakeOutput, FakeScript
from gamepipeline_engine.containers.fake.shell import NotScripted

__all__ = [
    "FakeContainers",
    "FakeDaemon",
    "FakeImage",
    "FakeOutput",
    "FakeScript",
    "Faults",
    "ManualClock",
    "NotScripted",
    "ScaledClock",
]
