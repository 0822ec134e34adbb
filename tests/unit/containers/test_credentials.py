"""Logins for registries: where they come from, in which order, and what is said when they cannot be had."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest

from gamepipeline_engine.containers.docker import credentials
from gamepipeline_engine.containers.docker.credentials import NoCredentials, ask_helper, credentials_for
from gamepipeline_engine.containers.docker.images import meaning_of
from gamepipeline_engine.containers.logins import RegistryLogin
from gamepipeline_engine.containers.port import DaemonError

CANARY = "canary-4711"
HOST = "reg.example:5000"
IMAGE = f"{HOST}/games/x:1"


class Home:
    """A folder with the settings of the ``docker`` command and with programs on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def settings(self, **config: Any) -> None:
        """What config.json says."""
        (self.folder / "config.json").write_text(json.dumps(config))

    def helper(self, name: str, script: str) -> None:
        """A program ``docker-credential-<name>``."""
        path = self.folder / "bin" / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def keeper(self, name: str, username: str, secret: str) -> None:
        """A helper that knows one login, for HOST alone, and is asked in the right way."""
        answer = json.dumps({"ServerURL": HOST, "Username": username, "Secret": secret})
        self.helper(
            name,
            f"""test "$1" = get || exit 9
            read -r server || true
            test "$server" = {HOST} && echo '{answer}' && exit 0
            echo 'credentials not found in native keychain'; exit 1""",
        )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Settings of its own."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return Home(tmp_path)


async def login(reference: str = IMAGE, logins: dict[str, RegistryLogin] | None = None) -> dict[str, str] | None:
    """What the registry would be told."""
    header, trouble = await credentials_for(reference, logins or {})
    assert trouble == ""
    found: dict[str, str] | None = json.loads(base64.urlsafe_b64decode(header)) if header else None
    return found


async def trouble(logins: dict[str, RegistryLogin] | None = None) -> str:
    """Why there is no login."""
    header, why = await credentials_for(IMAGE, logins or {})
    assert header is None
    return why


def plain(username: str, password: str) -> dict[str, str]:
    """A login by name and password."""
    return {"serveraddress": HOST, "username": username, "password": password}


async def test_a_helper_for_the_registry(home: Home) -> None:
    """It goes before the helper for all, and that one before what stands in the file."""
    entry = base64.b64encode(b"file:file").decode()
    home.keeper("one", "one", CANARY)
    home.keeper("all", "all", CANARY)
    home.settings(auths={HOST: {"auth": entry}}, credsStore="all", credHelpers={HOST: "one"})
    assert await login() == plain("one", CANARY)
    home.settings(auths={HOST: {"auth": entry}}, credsStore="all", credHelpers={"other.example": "one"})
    assert await login() == plain("all", CANARY)
    home.settings(auths={HOST: {"auth": entry}})
    assert await login() == plain("file", "file")


async def test_a_helper_that_knows_nothing(home: Home) -> None:
    """What stands in the file counts, and nothing there is no trouble: the image may be for everybody."""
    home.keeper("all", "all", CANARY)
    home.settings(credsStore="all", auths={"other.example": {"username": "u", "password": "p"}})
    assert await login("other.example/x") == {"serveraddress": "other.example", "username": "u", "password": "p"}
    assert await login("third.example/x") is None


async def test_a_token_of_a_helper(home: Home) -> None:
    """The name <token> says that the secret is an identity token."""
    home.keeper("all", "<token>", CANARY)
    home.settings(credsStore="all")
    assert await login() == {"serveraddress": HOST, "identitytoken": CANARY}


async def test_docker_hub_has_a_name_of_its_own(home: Home) -> None:
    """Helpers know it by an address that is nobody's."""
    home.helper("all", """read -r server; echo '{"Username":"'"$server"'","Secret":"s"}'""")
    home.settings(credsStore="all")
    found = await login("busybox")
    assert found is not None
    assert found["username"] == "https://index.docker.io/v1/"


BROKEN = {
    "not there": (None, "docker-credential-x cannot be run: No such file or directory"),
    "fails": (f"echo {CANARY}; echo {CANARY} >&2; exit 3", "docker-credential-x failed (exit code 3)"),
    "no JSON": (f"echo {CANARY}", "the answer of docker-credential-x cannot be read"),
    "another JSON": (f"echo '[\"{CANARY}\"]'", "the answer of docker-credential-x cannot be read"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_helper_that_does_not_work(home: Home, case: str, capfd: pytest.CaptureFixture[str]) -> None:
    """What is wrong is said, and nothing of what the helper said, which may be the password."""
    script, why = BROKEN[case]
    if script is not None:
        home.helper("x", script)
    home.settings(credsStore="x")
    assert await trouble() == why
    assert CANARY not in "".join(capfd.readouterr())


async def test_a_helper_that_waits_for_somebody(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended in time, with what it has started."""
    monkeypatch.setattr(credentials, "HELPER_LIMIT", 0.5)
    home.helper("x", f"sleep 1000 & echo $! > {home.folder}/child; wait")
    began = time.monotonic()
    with pytest.raises(NoCredentials, match=r"docker-credential-x did not answer within 0\.5 s"):
        await ask_helper("x", HOST)
    assert time.monotonic() - began < 20
    child = Path("/proc") / (home.folder / "child").read_text().strip()
    assert not child.exists() or "Z (zombie)" in (child / "status").read_text()


async def test_the_nodes_own_logins(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """They go before what the docker command knows: a password in a file, in a variable, or a helper's."""
    home.settings(auths={HOST: {"username": "docker", "password": "docker"}})
    (home.folder / "password").write_text(f"{CANARY} 1\n")
    monkeypatch.setenv("GAMES_PASSWORD", f"{CANARY} 2")
    home.keeper("mine", "helped", f"{CANARY} 3")
    ways = {
        "filed": RegistryLogin(username="filed", password_file=str(home.folder / "password")),
        "set": RegistryLogin(username="set", password_env="GAMES_PASSWORD"),
        "helped": RegistryLogin(helper="mine"),
    }
    for number, (name, way) in enumerate(ways.items(), 1):
        assert await login(logins={HOST: way}) == plain(name, f"{CANARY} {number}")
    assert await login(logins={"other.example": ways["set"]}) == plain("docker", "docker")


async def test_a_login_of_the_node_that_cannot_be_had(home: Home) -> None:
    """It is said which file, variable or helper it is; nobody else's login is taken instead."""
    home.settings(auths={HOST: {"username": "docker", "password": "docker"}})
    home.keeper("mine", "x", "x")
    missing = RegistryLogin(username="x", password_file=f"{home.folder}/nothing")
    unset = RegistryLogin(username="x", password_env="NOT_SET")
    said = f"the password in {home.folder}/nothing cannot be read: No such file or directory"
    assert await trouble({HOST: missing}) == said
    assert await trouble({HOST: unset}) == f"the variable NOT_SET with the password for {HOST} is not set"
    found = await credentials_for("other.example/x", {"other.example": RegistryLogin(helper="mine")})
    assert found.trouble == "docker-credential-mine knows no login for other.example"


UNREADABLE = {
    "{": "is not JSON",
    '{"auths": ["x"]}': "has no login that can be read: Expected `object | null`, got `array` - at `$.auths`",
    f'{{"auths": {{"{HOST}": "{CANARY}"}}}}': "Expected `object`, got `str` - at `$.auths[...]`",
    f'{{"auths": {{"{HOST}": {{"auth": 7}}}}}}': "Expected `str`, got `int` - at `$.auths[...].auth`",
    '{"credHelpers": "x"}': "Expected `object | null`, got `str` - at `$.credHelpers`",
    '{"credsStore": 7}': "Expected `str | null`, got `int` - at `$.credsStore`",
}


@pytest.mark.parametrize("text", UNREADABLE)
async def test_settings_that_cannot_be_read(home: Home, text: str) -> None:
    """A config.json that makes no sense is named, with the key, and without what stands there."""
    (home.folder / "config.json").write_text(text)
    why = await trouble()
    assert why.startswith(f"{home.folder}/config.json ")
    assert why.endswith(UNREADABLE[text])
    assert CANARY not in why


@pytest.mark.parametrize("key", [HOST, f"https://{HOST}", f"http://{HOST}", f"https://{HOST}/v1/", f"{HOST}/v2/"])
async def test_every_name_of_a_registry(home: Home, key: str) -> None:
    """An entry counts however its registry is written."""
    home.settings(auths={key: {"username": "u", "password": CANARY}, f"other-{HOST}": {"username": "x"}})
    assert await login() == plain("u", CANARY)


MEANINGS = {
    # cause as Docker's words have it, image, whether nobody was logged in, trouble with the login → the cause
    ("image_auth", "games/x:1", True, ""): "image_not_found",  # what Docker Hub says of what does not exist
    ("image_auth", "docker.io/games/x:1", True, ""): "image_not_found",
    ("image_auth", "games/x:1", False, ""): "image_auth",
    ("image_auth", IMAGE, True, ""): "image_auth",
    ("image_not_found", IMAGE, True, ""): "image_not_found",
    ("image_auth", "games/x:1", True, "no helper"): "image_auth",
    ("image_not_found", IMAGE, True, "no helper"): "image_auth",  # what others say to strangers of what does
    ("image_pull", IMAGE, True, "no helper"): "image_pull",
    ("no_space", IMAGE, True, "no helper"): "no_space",
}


@pytest.mark.parametrize("case", MEANINGS)
def test_what_a_refusal_means(case: tuple[str, str, bool, str]) -> None:
    """It depends on whom the registry has refused; a login that could not be had is said beside it."""
    cause, image, stranger, why = case
    error = DaemonError("ensure_image", image, 404, "denied", cause)
    found = meaning_of(error, image, stranger=stranger, trouble=why)
    assert (found.cause, found.status, found.subject) == (MEANINGS[case], 404, image)
    told = why and cause in {"image_auth", "image_not_found"}
    assert found.message == ("denied (and nobody was logged in: no helper)" if told else "denied")
