"""``gamepipeline schema``."""

from __future__ import annotations

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of the pipeline file, for editors and other tools."""
    from gamepipeline_engine.cli.output import emit
    from gamepipeline_events.spec.schema import pipeline_schema

    emit(pipeline_schema(), "json")
