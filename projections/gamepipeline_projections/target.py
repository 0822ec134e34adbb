"""Which NATS is meant, and how to be let in: flag, environment, NATS context or configuration.

``resolve_target`` looks nothing up on the network; ``connection.connect`` does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gamepipeline_projections.broker_errors import TargetUnusable

SCHEMES = ("nats", "tls", "ws", "wss")
DEFAULT_URL = "nats://127.0.0.1:4222"
"""What a NATS context without an address means."""

_CONTEXT_NAME = re.compile(r"[^/\\\s]{1,128}")
_HOST = re.compile(r"[\w.:%-]+")
_UNSUPPORTED = ("nsc", "user_jwt", "user_seed", "jetstream_domain", "jetstream_api_prefix", "socks_proxy")
"""Fields of a context that change what it means and that we do not follow."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to be let in; all None: nothing is needed. Files are absolute paths.

    creds   a credentials file (JWT and seed)      nkey   a file with an nkey seed
    user, password, token                          tls_*  PEM files
    tls_first   start TLS before the server speaks
    """

    creds: Path | None = None
    nkey: Path | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_first: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """Servers of one cluster and how to be let in. ``urls`` may hold passwords: show ``label``."""

    urls: tuple[str, ...] = field(repr=False)
    access: Access = field(default_factory=Access)
    inbox: str | None = None
    source: str = "the address"

    def __post_init__(self) -> None:
        """Raise TargetUnusable for what cannot be an address of a NATS server."""
        if not self.urls:
            raise TargetUnusable(self.source, "it names no server", "give an address such as nats://host:4222")
        for url in self.urls:
            _check_url(url, self.source)

    @property
    def label(self) -> str:
        """The addresses as they may be shown: without user and password."""
        return ",".join(redact(url) for url in self.urls)

    def secrets(self) -> list[str]:
        """What must not be shown of it: passwords and tokens, also those in the addresses."""
        found = [self.access.password, self.access.token]
        for url in self.urls:
            parts = urlsplit(url)
            found.append(parts.password or parts.username)
        return [unquote(one) for one in found if one]

    @property
    def wants_tls(self) -> bool:
        """Whether a connection in clear text would not be what was asked for."""
        access = self.access
        named = access.tls_ca or access.tls_cert or access.tls_first
        return bool(named) or any(urlsplit(url).scheme in {"tls", "wss"} for url in self.urls)


def redact(url: str) -> str:
    """``url`` without its user and password."""
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def parse_urls(text: str, source: str, access: Access | None = None) -> Target:
    """A target from one address or several, separated by commas. Raises TargetUnusable."""
    urls = tuple(part if "://" in part else f"nats://{part}" for part in map(str.strip, text.split(",")) if part)
    return Target(urls, access or Access(), source=source)


def resolve_target(flag: str | None, config: Mapping[str, object] | None, env: Mapping[str, str]) -> Target | None:
    """The NATS that is meant; None: nobody named one, use the embedded server.

    The first that is there: ``flag`` (``--nats``), ``NATS_URL``, ``NATS_CONTEXT``, the ``url`` or
    ``context`` of ``config`` (the ``[nats]`` table). The context that the nats CLI has *selected*
    is not used: it would take a local run to a far cluster unasked. Credentials belong to the
    address they stand beside; those of a ``config`` without address go with ``flag`` and
    ``NATS_URL``. Raises TargetUnusable.
    """
    table = {key: value for key, value in (config or {}).items() if _text(value) is not None}
    named = "url" in table or "context" in table
    beside = _table_access(table, env) if table and not named else Access()
    if flag:
        return parse_urls(flag, "--nats", beside)
    if url := env.get("NATS_URL"):
        return parse_urls(url, "NATS_URL", beside)
    if context := env.get("NATS_CONTEXT"):
        return read_context(context, env)
    if "url" in table:
        return parse_urls(str(table["url"]), "nats.url of the configuration", _table_access(table, env))
    if "context" in table:
        return read_context(str(table["context"]), env)
    return None


def context_path(name: str, env: Mapping[str, str]) -> Path:
    """Where the nats CLI keeps the context ``name``."""
    base = env.get("XDG_CONFIG_HOME") or _home(env) / ".config"
    return Path(base) / "nats" / "context" / f"{name}.json"


def read_context(name: str, env: Mapping[str, str]) -> Target:
    """The target that the NATS context ``name`` describes. Raises TargetUnusable."""
    source = f"the NATS context {name!r}"
    if not _CONTEXT_NAME.fullmatch(name):
        raise TargetUnusable(source, "that is not a name of a context", "see `nats context ls`")
    path = context_path(name, env)
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise TargetUnusable(source, f"{path} does not exist", "see `nats context ls`") from None
    except (OSError, ValueError) as error:
        raise TargetUnusable(source, f"{path}: {error}", f"see `nats context edit {name}`") from error
    if not isinstance(content, dict):
        raise TargetUnusable(source, f"{path} holds no JSON object", f"see `nats context edit {name}`")
    for key in _UNSUPPORTED:
        if content.get(key):
            raise TargetUnusable(source, f"its field {key} is not supported", "use creds, nkey, user or token")
    access = Access(
        creds=_file(content.get("creds"), env),
        nkey=_file(content.get("nkey"), env),
        user=_text(content.get("user")),
        password=_text(content.get("password")),
        token=_text(content.get("token")),
        tls_ca=_file(content.get("ca"), env),
        tls_cert=_file(content.get("cert"), env),
        tls_key=_file(content.get("key"), env),
        tls_first=bool(content.get("tls_first")),
    )
    urls = parse_urls(_text(content.get("url")) or DEFAULT_URL, source).urls
    return Target(urls, access, _text(content.get("inbox_prefix")), source)


def _table_access(table: Mapping[str, object], env: Mapping[str, str]) -> Access:
    return Access(
        creds=_file(table.get("creds"), env),
        tls_ca=_file(table.get("tls_ca"), env),
        tls_cert=_file(table.get("tls_cert"), env),
        tls_key=_file(table.get("tls_key"), env),
    )


def _check_url(url: str, source: str) -> None:
    fix = "give an address such as nats://host:4222"
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port  # .port raises for what is no port
    except ValueError as error:
        raise TargetUnusable(source, f"{redact(url)}: {error}", fix) from error
    if parts.scheme not in SCHEMES:
        raise TargetUnusable(source, f"{redact(url)} is none of {', '.join(SCHEMES)}", fix)
    if not _HOST.fullmatch(host or ""):
        raise TargetUnusable(source, f"{redact(url)} names no host", fix)


def _home(env: Mapping[str, str]) -> Path:
    return Path(env["HOME"]) if env.get("HOME") else Path.home()


def _file(value: object, env: Mapping[str, str]) -> Path | None:
    text = _text(value)
    if text is None:
        return None
    if text == "~" or text.startswith("~/"):
        return _home(env) / text[2:]
    return Path(text).absolute()


def _text(value: object) -> str | None:
    return str(value) if value is not None and value != "" else None
