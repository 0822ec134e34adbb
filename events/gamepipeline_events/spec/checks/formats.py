"""What the named formats of ``terms.py`` accept.

Each takes a value of the right JSON kind and returns nothing, or raises: ``OutOfRange`` for a value
that is not allowed, plain ``ValueError`` for a text that is no such thing at all. The message goes
on where the name of the key stops: ``'timeout' is negative``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from gamepipeline_events.catalog.names import CAUSES
from gamepipeline_events.ids import is_id, is_name
from gamepipeline_events.spec.checks.images import check_image
from gamepipeline_events.spec.patterns import Pattern
from gamepipeline_events.values import OutOfRange, seconds, size

MIN_MEMORY = 6 * 2**20
MAX_CPUS = 512
MAX_PIDS = 4_194_304
MAX_UID = 2**31 - 1
MAX_PATH = 4096


def _pattern(regex: str, why: str) -> Callable[[object], None]:
    compiled = re.compile(regex)

    def check(value: object) -> None:
        if not compiled.fullmatch(str(value)):
            raise OutOfRange(why)

    return check


def check_id(value: object) -> None:
    """A pipeline, step or pool id."""
    if not is_id(value):
        raise OutOfRange("is not a legal id: up to 64 letters, digits, '_' and '-', first no '_' or '-'")


def check_name(value: object) -> None:
    """The name of an argument or variable."""
    if not is_name(value):
        raise OutOfRange("is not a legal name: up to 64 letters, digits and '_', first no digit")


def check_duration(value: object) -> None:
    """A duration above zero."""
    if seconds(value) <= 0:
        raise OutOfRange("must be longer than zero")


def check_wait(value: object) -> None:
    """A duration that may be zero."""
    seconds(value)


def check_bytes(value: object) -> None:
    """A size above zero."""
    if size(value) <= 0:
        raise OutOfRange("must be more than zero")


def check_memory(value: object) -> None:
    """A memory limit Docker accepts."""
    if size(value) < MIN_MEMORY:
        raise OutOfRange("is below 6m, the least Docker accepts")


def check_swap(value: object) -> None:
    """Memory and swap together, or -1."""
    if value not in (-1, "-1"):
        check_memory(value)


def check_cpus(value: object) -> None:
    """A number of CPUs."""
    try:
        number = float(str(value))
    except ValueError:
        raise ValueError("is not a number of CPUs: write 0.5 or 2") from None
    if not 0.01 <= number <= MAX_CPUS:
        raise OutOfRange(f"is not between 0.01 and {MAX_CPUS}")


def _whole(value: object, low: int, high: int, what: str) -> None:
    """A whole number, also as digits in a text."""
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise ValueError(f"is not {what}")
    if not low <= int(value) <= high:  # type: ignore[call-overload]
        raise OutOfRange(f"is not between {low} and {high}")


def check_pids(value: object) -> None:
    """A number of processes."""
    _whole(value, 1, MAX_PIDS, "a number of processes")


def check_port(value: object) -> None:
    """A port."""
    _whole(value, 1, 65535, "a port")


def check_count(value: object) -> None:
    """A number of devices, or all, which compose prints as -1."""
    if value not in ("all", -1, "-1"):
        _whole(value, 1, 1024, "a number of devices or 'all'")


def check_path(value: object) -> None:
    """An absolute path without ``..``."""
    text = str(value)
    if not text.startswith("/"):
        raise OutOfRange("must be an absolute path")
    if ".." in text.split("/"):
        raise OutOfRange("must not hold '..'")
    if len(text) > MAX_PATH:
        raise OutOfRange(f"is longer than {MAX_PATH} characters")


def check_user(value: object) -> None:
    """``user``, ``uid``, ``user:group``, ``uid:gid``."""
    text = str(value)
    if not re.fullmatch(r"[^\s:-][^\s:]{0,127}(:[^\s:-][^\s:]{0,127})?", text):
        raise OutOfRange("is not user, uid, user:group or uid:gid")
    for part in text.split(":"):
        if part.isdecimal() and int(part) > MAX_UID:
            raise OutOfRange(f"has an id above {MAX_UID}")


def check_address(value: object) -> None:
    """An IP address."""
    try:
        ipaddress.ip_address(str(value).strip("[]"))
    except ValueError:
        raise OutOfRange("is not an IP address") from None


def check_pattern(value: object) -> None:
    """A regular expression that can be matched in linear time."""
    try:
        Pattern(str(value))
    except ValueError as exc:
        raise OutOfRange(str(exc)) from None


def check_cause(value: object) -> None:
    """A cause of failure."""
    if value not in CAUSES:
        raise OutOfRange("is no cause of failure such as oom_killed or step_timeout")


CAPABILITIES = frozenset(
    """
    AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH
    FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN
    NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_BOOT SYS_CHROOT
    SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG SYSLOG WAKE_ALARM
    """.split()  # noqa: SIM905 - a list of words reads as one
)
"""What Linux has since 5.9; see capabilities(7)."""


def check_capability(value: object) -> None:
    """A capability of Linux, with or without ``CAP_``, or ALL."""
    name = str(value).upper().removeprefix("CAP_")
    if name != "ALL" and name not in CAPABILITIES:
        raise OutOfRange("is not a capability: SYS_ADMIN, NET_RAW, ALL")


def check_artifact_path(value: object) -> None:
    """A path or pattern below the workspace."""
    parts = str(value).split("/")
    if str(value).startswith("/"):
        raise OutOfRange("begins with '/': it is relative to the workspace")
    if any(part in {"", ".", ".."} for part in parts[:-1]) or parts[-1] in {".", ".."} or parts == [""]:
        raise OutOfRange("has a part that is empty, '.' or '..'; the whole workspace is '**'")


FORMATS: dict[str, Callable[[object], None]] = {
    "id": check_id,
    "name": check_name,
    "duration": check_duration,
    "wait": check_wait,
    "bytes": check_bytes,
    "memory": check_memory,
    "swap": check_swap,
    "shm": check_bytes,
    "cpus": check_cpus,
    "pids": check_pids,
    "port": check_port,
    "count": check_count,
    "absolute_path": check_path,
    "artifact_path": check_artifact_path,
    "image": check_image,
    "user": check_user,
    "address": check_address,
    "regex": check_pattern,
    "pattern": check_pattern,
    "cause": check_cause,
    "platform": _pattern(
        r"[a-z0-9]{1,32}/[a-z0-9_]{1,32}(/[a-z0-9.]{1,32})?", "has not the form os/architecture: linux/amd64"
    ),
    "hostname": _pattern(
        r"(?=.{1,64}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
        r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*",
        "is not a host name",
    ),
    "container_name": _pattern(
        r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", "is not a container name: letters, digits, '_', '.', '-'"
    ),
    "permissions": _pattern(r"r?w?m?(?<=[rwm])", "is not a combination of r, w and m in this order"),
    "mode": _pattern(r"0?[0-7]{3,4}", 'is not a mode: write octal digits in quotes, "0755"'),
    "cpuset": _pattern(r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*", "is not a list of CPUs: 0-3,5"),
    "signal": _pattern(
        r"(SIG)?(HUP|INT|QUIT|ILL|TRAP|ABRT|BUS|FPE|KILL|USR1|SEGV|USR2|PIPE|ALRM|TERM|STKFLT|CHLD"
        r"|CONT|STOP|TSTP|TTIN|TTOU|URG|XCPU|XFSZ|VTALRM|PROF|WINCH|IO|PWR|SYS|RTMIN(\+[0-9]{1,2})?"
        r"|RTMAX(-[0-9]{1,2})?)|[1-9]|[1-5][0-9]|6[0-4]",
        "is not a signal: SIGTERM, SIGINT, 15",
    ),
    "restart": _pattern(
        r"no|always|unless-stopped|on-failure(:[0-9]{1,9})?",
        "is not one of no, always, unless-stopped, on-failure, on-failure:N",
    ),
    "capability": check_capability,
    "runtime": _pattern(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,254}", "is not the name of a runtime: runc, nvidia"),
    "device": _pattern(
        r"/[^:\0]*(:/[^:\0]*)?(:r?w?m?)?|[a-z0-9.-]+/[a-z0-9-]+=[A-Za-z0-9._:-]+",
        "is not a device: /dev/a[:/dev/b[:rwm]], or a CDI name such as nvidia.com/gpu=0",
    ),
    "host": _pattern(r"[^\s:=]+[:=]\S+", "has not the form name:address"),
    "limit": _pattern(
        r"as|core|cpu|data|fsize|locks|memlock|msgqueue|nice|nofile|nproc|rss|rtprio|rttime"
        r"|sigpending|stack",
        "is not a limit: nofile, nproc, memlock, core, …",
    ),
    "security_option": _pattern(r"no-new-privileges|[a-z-]+[:=]\S(?s:.*)", "has not the form name:value or name=value"),
    "url_path": _pattern(r"/[!-~]{0,2047}", "is not a path of a URL: it begins with '/' and has no spaces"),
}
