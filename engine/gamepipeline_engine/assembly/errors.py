"""The one error of this package."""

from __future__ import annotations

from gamepipeline_events.errors import GamePipelineError
from gamepipeline_events.problems import Path, format_path


class TemplateError(GamePipelineError):
    """A step cannot become a container: a value is missing, not allowed there, or not what Docker takes.

    ``path`` is the place below the step (``("container", "cpus")``), ``message`` says what is wrong
    without repeating a value that could be a secret. The cause of such a failure is ``template_error``.
    """

    def __init__(self, path: Path, message: str) -> None:
        self.path = path
        self.message = message
        super().__init__(f"{format_path(path)}: {message}")
