"""What the command line says of itself: its log, its notes, its errors, the traceback of a fault of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SECRET = 'line one\nline-two-"quoted"-ü'

PROGRAM = """
import logging, sys
import structlog
from gamepipeline_engine.cli.app import _failed
from gamepipeline_engine.cli.known import KNOWN
from gamepipeline_engine.cli.output import note
from gamepipeline_engine.cli.running.logging import log_to_stderr

secret = sys.argv[1]
log_to_stderr()
log = structlog.get_logger()
log.warning("early", told=secret[:0])
KNOWN.add([secret])
log.warning(f"say {secret}", told=[secret], why=ValueError(secret), by={"it": secret.encode()})
try:
    raise OSError(secret)
except OSError:
    log.exception("it broke")
    logging.getLogger("its.own").exception("broke: %s", secret)
logging.getLogger("its.own").warning("badly %d formatted", secret)
note(f"note {secret}")
_failed(OSError(secret))
_failed(ZeroDivisionError(secret))
"""


def test_nothing_of_a_secret_is_said(tmp_path: Path) -> None:
    """Records of the engine and of libraries, exceptions in them, notes, errors, and the file of a crash."""
    env = {"XDG_STATE_HOME": str(tmp_path), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-c", PROGRAM, SECRET]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60)
    crashes = [path.read_text() for path in tmp_path.rglob("crash-*.txt")]
    said = done.stdout + done.stderr
    records = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert [record["event"] for record in records] == ["early", "say ***", "it broke", "broke: ***"]
    assert records[1]["told"] == ["***"]
    assert all(record["level"] in {"warning", "error"} for record in records)
    assert len(crashes) == 1
    for text in (said, *crashes):
        assert "***" in text
        assert "line-two" not in text
        assert "line one" not in text
