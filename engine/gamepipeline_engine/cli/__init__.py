"""The command ``gamepipeline``.

    app       the table of commands, each loaded when it is called; global options
    exits     exit codes and what they mean
    failures  from any exception to one line and an exit code: no traceback reaches a terminal
    options   options that several commands share
    session   the connection, the readers, the queue; opened by the command that needs them
    lookup    from what a person types (@latest, a prefix) to a pipeline; its status
    output    documents and tables on stdout, notes on stderr
    loop      an asyncio program that signals end in order

    offline/ reading/ acting/ running/ doctor/   the commands; render/ what a terminal shows

stdout is data, stderr is progress. Nothing heavy is imported before a command asks for it:
``--help`` has to be there at once.
"""

from __future__ import annotations


def main() -> None:
    """Entry point of the console script."""
    import sys

    from gamepipeline_engine.cli.app import run

    for stream in (sys.stdout, sys.stderr):
        # What the terminal's encoding lacks is shown as an escape, it does not end the command.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    raise SystemExit(run())
