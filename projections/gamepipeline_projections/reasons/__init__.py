"""Why a pipeline or a step is as it is: from its events to a chain of questions and answers. Pure.

explain   the one entry: which questions there are, and their order
reason    what an answer is
past      a history to look things up in
pipeline  answers that the events of a pipeline hold
steps     answers that the events of a step hold
services  answers that the events of a service hold
now       what goes on or is waited for, which no event says by itself
words     small words
"""

from __future__ import annotations

from gamepipeline_projections.reasons.explain import explain
from gamepipeline_projections.reasons.reason import Reason

__all__ = ["Reason", "explain"]
