"""The signature of a webhook, and the configuration it comes from."""

from __future__ import annotations

import base64

import pytest

from gamepipeline_engine.alerts.delivery.endpoint import EndpointUnusable, consumer_of, endpoint_of, label_of
from gamepipeline_engine.alerts.delivery.signature import headers, signing_key
from gamepipeline_engine.config import Webhook

TOKEN_URL = "https://user:hidden@hooks.example:8443/services/hidden?token=hidden"


def test_the_published_example() -> None:
    """The example that libraries of Standard Webhooks are tested with gives the published signature."""
    key = signing_key("whsec_plJ3nmyCDGBKInavdOK15jsl")
    body = b'{"event_type":"ping","data":{"success":true}}'
    assert headers(key, "msg_loFOjxBNrRLzqYUf", 1731705121, body) == {
        "webhook-id": "msg_loFOjxBNrRLzqYUf",
        "webhook-timestamp": "1731705121",
        "webhook-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
    }


def test_without_a_key_nothing_is_signed() -> None:
    """Id and time are sent all the same: the id is what the receiver knows a repetition by."""
    assert headers(None, "id", 1, b"") == {"webhook-id": "id", "webhook-timestamp": "1"}


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("whsec_" + base64.b64encode(b"sixteen bytes...").decode(), b"sixteen bytes..."),
        ("as it is", b"as it is"),
        (" as it is\n", b"as it is"),
        ("ü", "ü".encode()),
    ],
)
def test_forms_of_a_secret(secret: str, key: bytes) -> None:
    """Behind whsec_ it is base64, else it is its own bytes; a line end of a file is no part of it."""
    assert signing_key(secret) == key


@pytest.mark.parametrize("secret", ["", "  ", "whsec_", "whsec_not base64!", "whsec_abc"])
def test_a_secret_that_is_none(secret: str) -> None:
    """An empty or damaged secret is an error, not a weak signature."""
    with pytest.raises(ValueError, match=r"empty|base64"):
        signing_key(secret)


def test_an_endpoint_shows_its_scheme_and_host_only() -> None:
    """Neither its name nor its text has the path, the query, a user or a key in it."""
    endpoint = endpoint_of(Webhook(url=TOKEN_URL, secret_env="KEY"), {"KEY": "hidden too"})
    assert endpoint.label == label_of(TOKEN_URL) == "https://hooks.example"
    assert "hidden" not in f"{endpoint!r} {endpoint} {endpoint.consumer}"
    assert endpoint.key == b"hidden too"


def test_each_url_has_a_place_of_its_own() -> None:
    """The consumer is the same on every engine and another for another URL; its name is a legal token."""
    names = {consumer_of(url) for url in ("https://a/1", "https://a/2", "https://b/1")}
    assert len(names) == 3
    assert consumer_of("https://a/1") in names
    assert all(name.replace("_", "").isalnum() for name in names)


@pytest.mark.parametrize(
    ("env", "why"), [({}, "is not set"), ({"KEY": "whsec_?"}, "is not base64"), ({"KEY": ""}, "empty")]
)
def test_what_should_be_signed_is_not_sent_unsigned(env: dict[str, str], why: str) -> None:
    """A key that is configured and not there makes the webhook unusable, and says which variable it is."""
    with pytest.raises(EndpointUnusable, match=why) as caught:
        endpoint_of(Webhook(url=TOKEN_URL, secret_env="KEY"), env)
    assert "KEY" in caught.value.why
    assert "hidden" not in str(caught.value)


def test_a_webhook_without_a_key_is_meant_so() -> None:
    """No secret_env, no signature, whatever the environment has."""
    assert endpoint_of(Webhook(url="http://a/"), {"KEY": "x"}).key is None
