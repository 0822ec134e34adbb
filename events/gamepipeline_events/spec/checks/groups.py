"""Concurrency groups in which a pipeline would wait for itself."""

from __future__ import annotations

from typing import Any

from gamepipeline_events.spec.checks.order import Order
from gamepipeline_events.spec.checks.report import Report


def check_groups(document: dict[str, Any], order: Order, report: Report) -> None:
    """A step that waits for a place which its own pipeline has, and keeps until the step is over."""
    whole = document.get("concurrency", {}).get("group")
    steps = [(place, step) for place, step in enumerate(document.get("steps", ())) if isinstance(step, dict)]
    services: dict[str, list[str]] = {}
    for place, step in steps:
        if step.get("type") == "service" and "group" in step.get("concurrency", {}):
            each = [order.ids[place]] * max(1, len(order.variants[place]))
            services.setdefault(step["concurrency"]["group"], []).extend(each)
    before = order.before() if services and order.sequence else None
    for place, step in steps:
        wanted = step.get("concurrency", {})
        group, path = wanted.get("group"), ("steps", place, "concurrency", "group")
        if group is None:
            continue
        if group == whole:
            message = f"the pipeline itself has a place in the group '{group}': the step would wait for it"
            report.error("GP108", message, path, "remove one of the two, or give the step a group of its own")
            continue
        own = order.ids[place]
        holding = [one for one in services.get(group, ()) if before is not None and before(one, own)]
        if len(holding) >= wanted.get("limit", 1):
            message = f"the service '{holding[0]}' before it keeps its place in the group '{group}'"
            report.error("GP108", message, path, "raise 'limit', or give the step a group of its own")
        elif step.get("type") == "service" and len(order.variants[place]) > wanted.get("limit", 1):
            message = f"the matrix makes {len(order.variants[place])} services, which all keep a place in '{group}'"
            report.error("GP108", message, path, "raise 'limit'")
