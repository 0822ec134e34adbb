"""The Standard Webhooks signature: who has the key can tell that we sent this, when, and that it is whole. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"


def signing_key(secret: str) -> bytes:
    """The key in ``secret``: base64 behind ``whsec_``, else its own bytes. Raises ValueError for one that is none."""
    text = secret.strip()
    if not text.startswith(PREFIX):
        key = text.encode()
    else:
        try:
            key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except binascii.Error as exc:
            raise ValueError(f"is not base64 behind {PREFIX}") from exc
    if not key:
        raise ValueError("is empty")
    return key


def headers(key: bytes | None, event_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt at ``seconds`` since 1970; without a key there is no signature."""
    found = {"webhook-id": event_id, "webhook-timestamp": str(seconds)}
    if key is not None:
        signed = f"{event_id}.{seconds}.".encode() + body
        digest = hmac.new(key, signed, hashlib.sha256).digest()
        found["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return found
