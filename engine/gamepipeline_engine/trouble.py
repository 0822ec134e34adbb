"""An error nobody foresaw, as text for the log.

Never the exception itself: renderers of a program that embeds the engine may print the variables
of every frame with it, and some of those hold secrets.
"""

from __future__ import annotations

import traceback


def told(error: BaseException) -> str:
    """Where it happened and what it says: files, lines, code and messages, no values of variables."""
    return "".join(traceback.format_exception(error))
