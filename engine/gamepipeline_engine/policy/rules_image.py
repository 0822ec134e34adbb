"""Which images may run."""

from __future__ import annotations

from collections.abc import Iterator

from gamepipeline_engine.policy.references import image_matches
from gamepipeline_engine.policy.violation import Subject, Violation


def images(subject: Subject) -> Iterator[Violation]:
    """The image fits a pattern of the node."""
    if not image_matches(subject.image, subject.policy.images):
        yield Violation(
            "policy.images", f"the image {subject.image} is not allowed here", subject.add("images", subject.image.name)
        )


def digests(subject: Subject) -> Iterator[Violation]:
    """Where the node wants it, the image is named by its digest."""
    if subject.policy.require_digest and not subject.image.digest:
        message = f"the image {subject.image} is not named by its digest (name@sha256:…)"
        yield Violation("policy.require_digest", message, "[policy]\nrequire_digest = false")
