"""What CONNECT says: who we are, as the target and the server's INFO want it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import msgspec

from gamepipeline_projections.broker_errors import TargetUnusable
from gamepipeline_projections.connection import check_seed
from gamepipeline_projections.target import Access, Target

_BLOCK = re.compile(rb"-+BEGIN ([A-Z ]+)-+\s+(\S+)\s+-+END")


def connect_line(target: Target, address: SplitResult, info: Mapping[str, Any], name: str) -> bytes:
    """The CONNECT line for the server at ``address`` that sent ``info``. Raises TargetUnusable."""
    options = {
        # A server that is told nothing is pedantic, and then slow.
        "verbose": False,
        "pedantic": False,
        "headers": True,
        "no_responders": True,
        "protocol": 1,
        "lang": "python-gamepipeline",
        "version": "1",
        "name": name,
        **_identity(target, address, info),
    }
    return b"CONNECT %s\r\n" % msgspec.json.encode(options)


def _identity(target: Target, address: SplitResult, info: Mapping[str, Any]) -> dict[str, str]:
    """As nats-py chooses: a key, a user, a token, and last what the address says."""
    access = target.access
    nonce = info.get("nonce")
    if nonce and (access.creds or access.nkey):
        check_seed(access, target)
        signed = _signed(access, str(nonce).encode(), target)
        return signed | ({"auth_token": access.token} if access.token is not None else {})
    if access.user is not None:
        return {"user": access.user, "pass": access.password or ""}
    if access.token is not None:
        return {"auth_token": access.token}
    if address.username is None:
        return {}
    if address.password is None:
        return {"auth_token": address.username}
    return {"user": address.username, "pass": address.password}


def _signed(access: Access, nonce: bytes, target: Target) -> dict[str, str]:
    if access.creds is not None:
        blocks = {match[1]: match[2] for match in _BLOCK.finditer(access.creds.read_bytes())}
        jwt, seed = blocks.get(b"NATS USER JWT"), blocks.get(b"USER NKEY SEED")
        if jwt is None or seed is None:
            raise _no_key(access.creds, target)
        return {"jwt": jwt.decode(), "sig": _signature(seed, nonce, access.creds, target)[0]}
    assert access.nkey is not None  # noqa: S101  # the caller has one of the two
    signature, public = _signature(access.nkey.read_bytes().strip(), nonce, access.nkey, target)
    return {"nkey": public, "sig": signature}


def _signature(seed: bytes, nonce: bytes, path: Path, target: Target) -> tuple[str, str]:
    """The signature of ``nonce`` with ``seed``, and the public key."""
    import nkeys  # type: ignore[import-untyped] # noqa: PLC0415  # it has no types, and few need it

    try:
        key = nkeys.from_seed(bytearray(seed))
        signature = base64.urlsafe_b64encode(key.sign(nonce)).rstrip(b"=").decode()
        public = key.public_key.decode()
    except (nkeys.NkeysError, ValueError) as error:
        raise _no_key(path, target) from error
    key.wipe()
    return signature, public


def _no_key(path: Path, target: Target) -> TargetUnusable:
    return TargetUnusable(target.source, f"{path} holds no key of a user", "see `nsc generate creds`")
