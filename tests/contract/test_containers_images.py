"""The contract of the containers port, on every adapter: the image of a container is one image, not a name."""

import secrets
from collections.abc import AsyncIterator

import pytest

from gamepipeline_engine.containers.port import DaemonError
from tests.support.containers import ADAPTERS, Rig, rig_of
from tests.support.images import BUSYBOX

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=ADAPTERS)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """One adapter on a realm of its own."""
    async with rig_of(request.param) as found:
        yield found


async def test_an_image_that_is_here(rig: Rig) -> None:
    """It has an id, a digest and a name of its own, and what is made from that name is that image."""
    found = await rig.containers.ensure_image(BUSYBOX, "missing")
    assert (found.reference, found.pulled) == (BUSYBOX, False)
    view = await rig.containers.create(rig.config("true", Image=found.exact))
    assert (view.image, view.image_id, view.image_digest) == (found.exact, found.id, found.digest)


async def test_a_tag_that_moves(rig: Rig) -> None:
    """What was found once can be had again, and run, after its tag has come to name another image."""
    reference = f"moved-{secrets.token_hex(4)}:1"
    await rig.hands.tag_a_new_image(reference)
    first = await rig.containers.ensure_image(reference, "missing")
    await rig.hands.tag_a_new_image(reference)
    now = await rig.containers.ensure_image(reference, "missing")
    assert (now.id != first.id, now.digest != first.digest, now.exact != first.exact) == (True, True, True)
    again = await rig.containers.ensure_image(reference, "always", digest=first.digest)
    assert again == first
    view = await rig.containers.create(rig.config("true", Image=again.exact))
    assert (view.image_id, view.image_digest) == (first.id, first.digest)


async def test_a_digest_that_is_nowhere(rig: Rig) -> None:
    """What the tag names now is no answer to a question for a digest."""
    nowhere = f"sha256:{secrets.token_hex(32)}"
    with pytest.raises(DaemonError) as caught:
        await rig.containers.ensure_image(BUSYBOX, "never", digest=nowhere)
    assert caught.value.cause == "image_not_found"
