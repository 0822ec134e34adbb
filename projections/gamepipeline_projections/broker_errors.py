"""What can be wrong with the NATS that we were told to use.

    BrokerError                 cause and fix, one line
    ├── TargetUnusable          the address, context, credentials or certificates make no sense
    ├── BrokerUnavailable       nobody answers there, or not as NATS, or not to these credentials
    ├── ServerTooOld            it answers, but cannot keep our promises
    └── JetStreamUnavailable    it answers, but stores nothing

The engine adds those of its own server and streams (``gamepipeline_engine.broker.errors``).
"""

from __future__ import annotations


class BrokerError(Exception):
    """Base: ``problem: cause; fix`` on one line, for exit code 3.

    ``problem`` says what could not be done, ``cause`` why, ``fix`` what the reader can do. None of
    them holds a password: addresses are given without their user part.
    """

    def __init__(self, problem: str, cause: str, fix: str) -> None:
        self.problem = problem
        self.cause = _one_line(cause)
        self.fix = _one_line(fix)
        super().__init__(f"{problem}: {self.cause}; {self.fix}")


class TargetUnusable(BrokerError):
    """``source`` (a flag, a variable, a file) does not describe a NATS server one could reach."""

    def __init__(self, source: str, cause: str, fix: str) -> None:
        self.source = source
        super().__init__(f"cannot use {source}", cause, fix)


class BrokerUnavailable(BrokerError):
    """No connection to ``url`` (without credentials). ``hint`` is the fix."""

    def __init__(self, url: str, cause: str, hint: str) -> None:
        self.url = url
        self.hint = hint
        super().__init__(f"no connection to NATS at {url}", cause, hint)


class ServerTooOld(BrokerError):
    """The server at ``url`` runs ``found``; ``wanted`` is the oldest version that will do."""

    def __init__(self, url: str, found: str, wanted: str) -> None:
        self.url = url
        self.found = found
        self.wanted = wanted
        super().__init__(
            f"the NATS server at {url} is too old",
            f"it runs {found}, {wanted} is needed",
            f"upgrade nats-server to {wanted} or newer",
        )


class JetStreamUnavailable(BrokerError):
    """The server at ``url`` answers, its JetStream does not."""

    def __init__(self, url: str, cause: str, fix: str) -> None:
        self.url = url
        super().__init__(f"no JetStream at {url}", cause, fix)


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".;")
