"""Which NATS is meant."""

import json
from pathlib import Path

import pytest

from gamepipeline_projections.broker_errors import TargetUnusable
from gamepipeline_projections.target import Access, Target, parse_urls, resolve_target

URL = "nats://env:4222"


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment whose home has one context, `prod`."""
    folder = tmp_path / ".config" / "nats" / "context"
    folder.mkdir(parents=True)
    content = {
        "url": "nats://a:1,tls://b:2",
        "creds": "~/prod.creds",
        "nkey": "",
        "user": "",
        "ca": "/etc/ca.pem",
        "inbox_prefix": "_INBOX_me",
        "description": "ours",
    }
    (folder / "prod.json").write_text(json.dumps(content))
    return {"HOME": str(tmp_path)}


def test_nobody_named_one() -> None:
    """Without flag, variable and configuration the embedded server is meant."""
    assert resolve_target(None, None, {}) is None
    assert resolve_target(None, {}, {"NATS_URL": "", "NATS_CONTEXT": ""}) is None
    assert resolve_target(None, {"url": None, "creds": "/x"}, {}) is None


def test_the_nearest_word_counts(home: dict[str, str]) -> None:
    """Flag before NATS_URL before NATS_CONTEXT before the configuration."""
    env = home | {"NATS_URL": URL, "NATS_CONTEXT": "prod"}
    config = {"url": "nats://config:4222"}

    def source(flag: str | None, env: dict[str, str]) -> str:
        target = resolve_target(flag, config, env)
        assert target is not None
        return target.source

    assert source("nats://flag", env) == "--nats"
    assert source(None, env) == "NATS_URL"
    assert source(None, home | {"NATS_CONTEXT": "prod"}) == "the NATS context 'prod'"
    assert source(None, home) == "nats.url of the configuration"


def test_a_context_is_read(home: dict[str, str]) -> None:
    """Addresses, files and the inbox prefix come from the file of the nats CLI; empty is unset."""
    target = resolve_target(None, {"context": "prod"}, home)
    assert target is not None
    assert target.urls == ("nats://a:1", "tls://b:2")
    assert target.access == Access(creds=Path(home["HOME"]) / "prod.creds", tls_ca=Path("/etc/ca.pem"))
    assert target.inbox == "_INBOX_me"
    assert target.wants_tls


def test_xdg_moves_the_contexts(home: dict[str, str]) -> None:
    """XDG_CONFIG_HOME is where the nats CLI looks, too."""
    env = {"HOME": "/nowhere", "XDG_CONFIG_HOME": f"{home['HOME']}/.config", "NATS_CONTEXT": "prod"}
    assert resolve_target(None, None, env) is not None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"url": ["a"]}',
        '{"url": {}}',
        '{"url": "http://a"}',
        '{"nsc": "nsc://o/a/u"}',
        '{"user_jwt": "x"}',
    ],
)
def test_a_context_that_cannot_be_used(home: dict[str, str], content: str) -> None:
    """A context that is damaged, or means what we do not follow, is an error on one line."""
    path = Path(home["HOME"]) / ".config" / "nats" / "context" / "prod.json"
    path.write_text(content)
    with pytest.raises(TargetUnusable) as caught:
        resolve_target(None, None, home | {"NATS_CONTEXT": "prod"})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["none", "../prod", "a/b", "a b", "x" * 200])
def test_a_context_that_is_not_there(home: dict[str, str], name: str) -> None:
    """A wrong name is an error, and never a path of its own."""
    with pytest.raises(TargetUnusable):
        resolve_target(None, None, home | {"NATS_CONTEXT": name})


def test_credentials_go_with_their_address() -> None:
    """Those beside an address are not sent to another; those without one go with flag and NATS_URL."""
    beside = resolve_target("nats://flag", {"url": "nats://config", "creds": "/c"}, {})
    alone = resolve_target("nats://flag", {"creds": "/c"}, {})
    assert beside is not None
    assert alone is not None
    assert beside.access.creds is None
    assert alone.access.creds == Path("/c")


@pytest.mark.parametrize(
    "text",
    ["", ",", "http://h", "nats://", "nats://h:port", "nats://h:99999", "nats://u:secret@h:x", "//h", "nats://[::1"],
)
def test_what_is_no_address(text: str) -> None:
    """Refused with the source named and without the password in it."""
    with pytest.raises(TargetUnusable) as caught:
        parse_urls(text, "--nats")
    assert caught.value.source == "--nats"
    assert "secret" not in str(caught.value)


def test_several_addresses() -> None:
    """Commas separate, spaces do not matter, the scheme may be left out."""
    assert parse_urls("a:1, tls://b:2 ,c", "--nats").urls == ("nats://a:1", "tls://b:2", "nats://c")


def test_secrets_are_not_shown() -> None:
    """Neither the label nor the repr of a target has a password or token in it."""
    target = Target(("nats://u:secret1@h:1",), Access(user="u", password="secret2", token="secret3"))
    assert target.label == "nats://h:1"
    assert "secret" not in repr(target)


def test_what_must_not_be_shown_of_a_target() -> None:
    """Passwords and tokens, wherever they stand, as they are sent: without percent-encoding."""
    access = Access(user="me", password="from-a-context")
    target = parse_urls("nats://user:p%40ss@h:1,nats://token@h:2,nats://h:3", "the address", access)
    assert target.secrets() == ["from-a-context", "p@ss", "token"]
