"""Which of the contract's causes a refusal of the daemon is. Pure, and all of it is data.

The status and the container's exit code decide where they can. Docker says the rest in words
only: ``FRAGMENTS`` is the one place that reads them, and an unknown text falls back to the cause
of the operation, so a changed wording costs precision and nothing else.
"""

from __future__ import annotations

from typing import NamedTuple


class Fragment(NamedTuple):
    """``text`` (lower case) anywhere in the message of one of ``operations`` means ``cause``."""

    text: str
    cause: str
    operations: frozenset[str]


IMAGE = frozenset({"ensure_image"})
CREATE = frozenset({"create"})
START = frozenset({"start"})
BOTH = CREATE | START
ANY = frozenset({"*"})

FRAGMENTS: tuple[Fragment, ...] = tuple(
    Fragment(text, cause, operations)
    for text, cause, operations in (
        ("no space left on device", "no_space", ANY),
        ("disk quota exceeded", "no_space", ANY),
        # The daemon's words for any 401 or 403, although they go on "repository does not exist or …".
        ("pull access denied", "image_auth", IMAGE),
        ("manifest unknown", "image_not_found", IMAGE),
        ("name unknown", "image_not_found", IMAGE),
        ("no matching manifest", "image_not_found", IMAGE),
        ("not found: manifest", "image_not_found", IMAGE),
        ("unauthorized", "image_auth", IMAGE),
        ("authentication required", "image_auth", IMAGE),
        ("no basic auth credentials", "image_auth", IMAGE),
        ("access to the resource is denied", "image_auth", IMAGE),
        ("access forbidden", "image_auth", IMAGE),
        ("403 forbidden", "image_auth", IMAGE),
        ("no such image", "image_not_found", BOTH),
        ("port is already allocated", "port_conflict", BOTH),
        ("address already in use", "port_conflict", BOTH),
        ("cannot assign requested address", "port_conflict", BOTH),
        ("ports are not available", "port_conflict", BOTH),
        ("could not select device driver", "gpu_unavailable", BOTH),
        ("nvidia-container", "gpu_unavailable", BOTH),
        ("libnvidia", "gpu_unavailable", BOTH),
        ("unknown or invalid runtime name: nvidia", "gpu_unavailable", BOTH),
        ("unknown runtime specified nvidia", "gpu_unavailable", BOTH),
        ("nvidia.com/gpu", "gpu_unavailable", BOTH),
        ("error gathering device information", "device_unavailable", BOTH),
        ("unresolvable cdi devices", "device_unavailable", BOTH),
        ("is not a device node", "device_unavailable", BOTH),
        ("trying to mount a directory onto a file", "mount_denied", BOTH),
        ("invalid mount config", "mount_denied", BOTH),
        ("bind source path does not exist", "mount_denied", BOTH),
        ("invalid volume specification", "mount_denied", BOTH),
        ("error while mounting volume", "mount_denied", BOTH),
        ("error mounting", "mount_denied", BOTH),
        ("error while creating mount source path", "mount_denied", BOTH),
        ("is not a shared mount", "mount_denied", BOTH),
        # Only where the exit code of the refused start says nothing.
        ("executable file not found", "command_not_found", START),
    )
)

FALLBACK = {
    "ensure_image": "image_pull",
    "create": "container_create",
    "start": "container_start",
    "logs": "container_lost",
}
"""Cause of an operation whose refusal says no more; ``engine_error`` for the others."""

IMAGE_STATUS = {401: "image_auth", 403: "image_auth", 404: "image_not_found"}

START_CODES = {127: "command_not_found", 126: "not_executable"}
"""Docker's own exit codes of a container whose command could not be executed."""

EXEC_CODES = {cause: code for code, cause in START_CODES.items()}
"""What a shell would say of a command that exec could not execute."""


NO_ADDRESSES = ("non-overlapping ipv4 address pool", "predefined address pools have been fully subnetted")
"""A network without a subnet of its own is refused like this once the daemon's pools are used up."""

OVERLAPS = ("pool overlaps with", "conflicts with network", "overlaps with existing routes")


def no_addresses_left(message: str) -> bool:
    """Whether a network was refused because the daemon has no subnet left."""
    return any(text in message.lower() for text in NO_ADDRESSES)


def overlaps(message: str) -> bool:
    """Whether a network was refused because its subnet is in use."""
    return any(text in message.lower() for text in OVERLAPS)


def cause_of(operation: str, status: int, message: str) -> str:
    """The contract's cause of a refused ``operation``."""
    text = message.lower()
    for fragment in FRAGMENTS:
        if fragment.text in text and not fragment.operations.isdisjoint((operation, "*")):
            return fragment.cause
    if operation == "ensure_image" and status in IMAGE_STATUS:
        return IMAGE_STATUS[status]
    return FALLBACK.get(operation, "engine_error")


def cause_of_start(exit_code: int | None, message: str) -> str:
    """The cause of a start that was refused, from what the daemon keeps of it in the container."""
    found = cause_of("start", 0, message)
    if found != "container_start":
        return found
    return START_CODES.get(exit_code or 0, found)
