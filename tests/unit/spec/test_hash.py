"""The hash that makes two submissions the same run."""

import hashlib

from gamepipeline_events import spec_hash
from gamepipeline_events.spec.hash import canonical


def test_canonical_json() -> None:
    """Sorted keys, no spaces, UTF-8."""
    assert canonical({"b": [1, 1.5, None, True], "a": {"é": "/", "a": ""}}) == (
        '{"a":{"a":"","é":"/"},"b":[1,1.5,null,true]}'.encode()
    )


def test_spec_hash() -> None:
    """SHA-256 of the canonical JSON of both, whatever the order of the keys."""
    text = b'{"args":{"A":"1"},"pipeline":{"name":"x","steps":[]}}'
    assert spec_hash({"steps": [], "name": "x"}, {"A": "1"}) == hashlib.sha256(text).hexdigest()
    assert spec_hash({"name": "x"}, {}) != spec_hash({"name": "y"}, {})
