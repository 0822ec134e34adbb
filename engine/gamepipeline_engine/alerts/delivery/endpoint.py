"""A receiver of alerts as it is configured. Its URL may hold a token: only ``label`` is ever shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from gamepipeline_engine.alerts.delivery.signature import signing_key
from gamepipeline_engine.config import Webhook

CONSUMER_PREFIX = "alerts_"


class EndpointUnusable(Exception):
    """Nothing can be sent to ``label`` from here: ``why``."""

    def __init__(self, label: str, why: str) -> None:
        self.label = label
        self.why = why
        super().__init__(f"{label}: {why}")


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where to send. ``label`` is scheme://host; ``consumer`` the name of its place in the events stream."""

    url: str
    label: str
    consumer: str
    key: bytes | None
    allow_private: bool

    def __repr__(self) -> str:
        return f"<Endpoint {self.label}>"


def label_of(url: str) -> str:
    """All of ``url`` that may be shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}"


def consumer_of(url: str) -> str:
    """The durable consumer of a webhook: another URL is another receiver, which begins with what is new."""
    return CONSUMER_PREFIX + hashlib.sha256(url.encode()).hexdigest()[:16]


def endpoint_of(webhook: Webhook, env: Mapping[str, str]) -> Endpoint:
    """``webhook`` with its key from ``env``. Raises EndpointUnusable where there is none.

    An alert that should be signed is not sent unsigned; another engine may have the key.
    """
    label = label_of(webhook.url)
    key = None
    if webhook.secret_env:
        try:
            key = signing_key(env[webhook.secret_env])
        except KeyError:
            raise EndpointUnusable(label, f"the variable {webhook.secret_env} is not set") from None
        except ValueError as exc:
            raise EndpointUnusable(label, f"the variable {webhook.secret_env} {exc}") from None
    return Endpoint(
        url=webhook.url,
        label=label,
        consumer=consumer_of(webhook.url),
        key=key,
        allow_private=webhook.allow_private,
    )
