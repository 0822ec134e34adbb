"""Refusals of the daemon as the contract's causes; the messages are what Docker 20.10 really said."""

import pytest

from gamepipeline_engine.containers.classify import FALLBACK, FRAGMENTS, cause_of, cause_of_start
from gamepipeline_engine.containers.fake.script import REFUSALS
from gamepipeline_events import CAUSES

RUNC = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "


def test_every_cause_is_in_the_contract() -> None:
    """No cause is made up here."""
    assert {fragment.cause for fragment in FRAGMENTS} | set(FALLBACK.values()) <= set(CAUSES)
    assert all(fragment.text == fragment.text.lower() for fragment in FRAGMENTS)


@pytest.mark.parametrize(
    ("code", "message", "cause"),
    [
        (127, RUNC + 'exec: "nope": executable file not found in $PATH: unknown', "command_not_found"),
        (126, RUNC + 'exec: "/etc/passwd": permission denied: unknown', "not_executable"),
        (
            127,
            RUNC + 'error during container init: error mounting "/a" to rootfs at "/etc/passwd": not a directory: '
            "unknown: Are you trying to mount a directory onto a file (or vice-versa)?",
            "mount_denied",
        ),
        (
            128,
            'error gathering device information while adding custom device "/dev/nope": no such file or directory',
            "device_unavailable",
        ),
        (128, 'could not select device driver "" with capabilities: [[gpu]]', "gpu_unavailable"),
        (
            128,
            (
                "driver failed programming external connectivity on endpoint x (c1): Bind for 0.0.0.0:22222 failed: "
                "port is already allocated"
            ),
            "port_conflict",
        ),
        (
            128,
            (
                "driver failed programming external connectivity on endpoint x (4e): Error starting userland proxy: "
                "listen tcp4 8.8.8.8:22223: bind: cannot assign requested address"
            ),
            "port_conflict",
        ),
        (128, "network nonet not found", "container_start"),
        (128, "uids and gids must be in range 0-2147483647", "container_start"),
        (None, "something new", "container_start"),
        (127, "something new", "command_not_found"),
        (128, "write /x: no space left on device", "no_space"),
    ],
)
def test_a_refused_start(code: int | None, message: str, cause: str) -> None:
    """What the container keeps of a refused start says the cause."""
    assert cause_of_start(code, message) == cause


@pytest.mark.parametrize(
    ("operation", "status", "message", "cause"),
    [
        ("create", 400, 'invalid mount config for type "bind": bind source path does not exist: /nope', "mount_denied"),
        ("create", 404, "No such image: none:1", "image_not_found"),
        ("create", 404, "No such container: nope", "container_create"),
        ("create", 400, "Unknown runtime specified nvidia", "gpu_unavailable"),
        ("create", 400, "the working directory 'rel' is invalid, it needs to be an absolute path", "container_create"),
        ("ensure_image", 500, 'Get "https://none/v2/": dial tcp: lookup none: no such host', "image_pull"),
        ("ensure_image", 404, "manifest for x:1 not found: manifest unknown: manifest unknown", "image_not_found"),
        ("ensure_image", 404, "pull access denied for x, repository does not exist or may require …", "image_auth"),
        ("ensure_image", 500, "unauthorized: authentication required", "image_auth"),
        ("ensure_image", 0, "failed to register layer: write /x: no space left on device", "no_space"),
        ("ensure_image", 403, "?", "image_auth"),
        ("logs", 404, "No such container: x", "container_lost"),
        ("remove", 500, "driver failed to remove root filesystem", "engine_error"),
    ],
)
def test_other_refusals(operation: str, status: int, message: str, cause: str) -> None:
    """Status and words together say the cause; what is unknown falls back to the operation's own."""
    assert cause_of(operation, status, message) == cause


@pytest.mark.parametrize("cause", sorted(REFUSALS))
def test_the_fake_uses_the_same_words(cause: str) -> None:
    """What the fake says of a refused start is classified as what it is."""
    _, code, message = REFUSALS[cause]
    assert cause_of_start(code, message) == cause
