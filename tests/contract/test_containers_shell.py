"""Scripts give the same results on the fake as on Docker, so that a scenario can run on either."""

from collections.abc import AsyncIterator

import pytest

from tests.support.containers import ADAPTERS, Rig, joined, rig_of

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=ADAPTERS)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """One adapter on a realm of its own."""
    async with rig_of(request.param) as found:
        yield found


@pytest.mark.parametrize(
    ("script", "code", "output"),
    [
        ("echo a b; echo 'c  d'", 0, b"a b\nc  d\n"),
        ('X="1 2"; echo $X "$X" ${X}', 0, b"1 2 1 2 1 2\n"),
        ("export A=1\necho $A$B", 0, b"1\n"),
        ("false || echo no; true && echo yes", 0, b"no\nyes\n"),
        ("false && echo never; echo on", 0, b"on\n"),
        ("false; echo never", 1, b""),
        ("# nothing\n\n  echo x # tail", 0, b"x\n"),
        ("echo one > /f; echo two >> /f; cat /f", 0, b"one\ntwo\n"),
        ('echo "k=v" >> "$GAMEPIPELINE_OUTPUT"; cat "$GAMEPIPELINE_OUTPUT"', 0, b"k=v\n"),
        ('[ "$MODE" = fast ] && echo fast', 0, b"fast\n"),
        ("test -f /none || exit 7", 7, b""),
        ("printf a; echo -n b; echo", 0, b"ab\n"),
        ("echo hidden >&2; exit", 0, b""),
        ("sleep 1; sleep 0.5; exit 260", 4, b""),
        ("cat /none", 1, b""),
        ("echo \\$X '$X' \"\\$X\"", 0, b"$X $X $X\n"),
    ],
)
async def test_a_script(rig: Rig, script: str, code: int, output: bytes) -> None:
    """A script prints the same and ends with the same code on every adapter."""
    name = await rig.ended(script, Env=["GAMEPIPELINE_OUTPUT=/out", "MODE=fast"])
    assert (joined(await rig.all_logs(name)), (await rig.view(name)).exit_code) == (output, code)
