"""The read model: lists and searches over every pipeline, in a SQLite file that its reader owns.

model    the file, its position, catching up with the stream
file     opening, creating and throwing away the file
tables   the tables and their indexes
fold     events since the last commit, folded in memory
rows     from a state to rows
query    what a list asks for, and the answer
errors   what can be wrong with it
published, copies   the copy in an object store from which a new reader starts
"""

from __future__ import annotations

from gamepipeline_projections.readmodel.errors import (
    ReadModelDamaged,
    ReadModelError,
    ReadModelRewound,
    ReadModelUnusable,
)
from gamepipeline_projections.readmodel.file import SCHEMA, file_of
from gamepipeline_projections.readmodel.model import ReadModel
from gamepipeline_projections.readmodel.published import PublishedModels
from gamepipeline_projections.readmodel.query import Listed, Query

__all__ = [
    "SCHEMA",
    "Listed",
    "PublishedModels",
    "Query",
    "ReadModel",
    "ReadModelDamaged",
    "ReadModelError",
    "ReadModelRewound",
    "ReadModelUnusable",
    "file_of",
]
