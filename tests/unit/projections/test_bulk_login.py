"""What CONNECT says, for each way to be let in."""

import base64
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import nkeys  # type: ignore[import-untyped]  # it has none
import pytest

from gamepipeline_projections.broker_errors import TargetUnusable
from gamepipeline_projections.reading.bulk.login import connect_line
from gamepipeline_projections.target import Access, Target

URL = "nats://127.0.0.1:4222"
SEED = "SUADKC7BA6P6VOXYZP3442AE6CKHPWZFO2BJMU5RGZBCWIMWOT4CM2GS4Q"
CREDS = f"""\
-----BEGIN NATS USER JWT-----
eyJ0eXAiOiJKV1QifQ.e30.c2ln
------END NATS USER JWT------

************************* IMPORTANT *************************
-----BEGIN USER NKEY SEED-----
{SEED}
------END USER NKEY SEED------
"""


def said(access: Access, url: str = URL, nonce: str | None = "n0nce") -> dict[str, Any]:
    """The options of CONNECT."""
    info = {} if nonce is None else {"nonce": nonce}
    line = connect_line(Target((url,), access), urlsplit(url), info, "test")
    assert line.startswith(b"CONNECT ")
    assert line.endswith(b"}\r\n")
    options: dict[str, Any] = msgspec.json.decode(line[8:])
    return options


def test_credentials_sign_the_nonce(tmp_path: Path) -> None:
    """A credentials file gives its JWT, and a signature that the user's key verifies."""
    (tmp_path / "creds").write_text(CREDS)
    options = said(Access(creds=tmp_path / "creds"))
    assert options["jwt"] == "eyJ0eXAiOiJKV1QifQ.e30.c2ln"
    signature = base64.urlsafe_b64decode(options["sig"] + "==")
    assert nkeys.from_seed(bytearray(SEED.encode())).verify(b"n0nce", signature)
    assert SEED not in str(options)


def test_a_seed_signs_the_nonce(tmp_path: Path) -> None:
    """An nkey file gives the public key and a signature."""
    (tmp_path / "seed").write_text(f"{SEED}\n")
    options = said(Access(nkey=tmp_path / "seed"))
    assert options["nkey"] == "UDRS5WPLLAMR37D6MZGM4ZTWRSHV7Z254VMZLDV6XGUFU26NEBW2XFH6"
    assert len(base64.urlsafe_b64decode(options["sig"] + "==")) == 64


@pytest.mark.parametrize("content", ["BEGIN NATS USER JWT", CREDS.replace(SEED, "SUBAD")])
def test_credentials_without_a_key(tmp_path: Path, content: str) -> None:
    """A damaged file is an error that names it."""
    (tmp_path / "creds").write_text(content)
    with pytest.raises(TargetUnusable, match="creds holds no key of a user"):
        said(Access(creds=tmp_path / "creds"))


def test_what_the_address_says() -> None:
    """User and password, or a token; what stands beside the address comes first."""
    assert said(Access(), "nats://me:pw@h:1")["pass"] == "pw"
    assert said(Access(), "nats://t0ken@h:1")["auth_token"] == "t0ken"
    assert said(Access(user="you", password="x"), "nats://me:pw@h:1")["user"] == "you"
    assert not {"user", "pass", "auth_token", "sig"} & said(Access()).keys()


def test_nothing_slow_is_asked_for() -> None:
    """A server that is told nothing checks and confirms every line."""
    assert (said(Access())["verbose"], said(Access())["pedantic"]) == (False, False)
