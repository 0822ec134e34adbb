"""Keeping secrets out of everything that leaves the process: logs, events, errors, alerts, outputs.

masker  finds the secrets in bytes and texts, however they are cut and in the forms programs print them
long    finds long forms, in linear time whatever a step prints
forms   those forms
known   all secrets of this process, and what masks whatever the process says of itself
texts   which fields of events are texts that may repeat a secret, and which are names that must stay
"""

from __future__ import annotations

from gamepipeline_engine.redaction.known import KnownSecrets
from gamepipeline_engine.redaction.masker import MASK, MIN_LENGTH, Redactor, Stream, unmaskable

__all__ = ["MASK", "MIN_LENGTH", "KnownSecrets", "Redactor", "Stream", "unmaskable"]
