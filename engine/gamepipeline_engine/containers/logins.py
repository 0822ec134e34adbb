"""Who the node is to a registry, as its configuration says. The password itself is never part of that. Pure."""

from __future__ import annotations

import re

import msgspec

_HOST = re.compile(r"[a-z0-9.-]+(:[0-9]{1,5})?|\[[0-9a-f:]+\](:[0-9]{1,5})?")
_HELPER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class RegistryLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A login: ``username`` with ``password_file`` or ``password_env``, or a ``helper`` that knows both.

    ``password_env`` names a variable of the engine's own environment; ``helper`` is NAME of a program
    ``docker-credential-NAME`` on the engine's PATH.
    """

    username: str | None = None
    password_file: str | None = None
    password_env: str | None = None
    helper: str | None = None

    def __post_init__(self) -> None:
        ways = [bool(self.password_file), bool(self.password_env), bool(self.helper)]
        if sum(ways) != 1:
            raise ValueError("has to have one of password_file, password_env and helper")
        if bool(self.username) == bool(self.helper):
            raise ValueError("username belongs to password_file or password_env, and a helper has its own")
        if self.helper and not _HELPER.fullmatch(self.helper):
            raise ValueError('helper is NAME of the program docker-credential-NAME, such as "pass"')


def is_registry_host(text: str) -> bool:
    """Whether ``text`` is a registry as image names begin with it: a host, perhaps with a port."""
    return bool(_HOST.fullmatch(text))
