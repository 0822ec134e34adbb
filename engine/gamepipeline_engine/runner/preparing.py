"""From a step to a container that has not been started: what it needs, whether it may, and the refusals."""

from __future__ import annotations

import asyncio

from msgspec import structs

from gamepipeline_engine.assembly import asked_gpus, build
from gamepipeline_engine.containers.names import labels
from gamepipeline_engine.containers.port import ContainerConfig, ContainerView, DaemonError, ImageInfo, PullProgress
from gamepipeline_engine.core.inputs import AttemptFailed, ImageFetched
from gamepipeline_engine.failpoints import failpoint
from gamepipeline_engine.policy import HostPathDenied, Violation, final_violations, prepare_host_paths, violations
from gamepipeline_engine.policy.hints import together
from gamepipeline_engine.runner.artifacts import bring_artifacts
from gamepipeline_engine.runner.desk import Desk
from gamepipeline_engine.runner.host import Host
from gamepipeline_engine.runner.refusing import Refused

_GPU_HINT = "Run the pipeline on a node that has it, or correct [gpus] ids in this node's configuration."

_NEVER_HINT = (
    "pull_policy is 'never', so nothing was fetched: bring the image to this node (docker pull or docker load), "
    "or write pull_policy: missing."
)


async def create(desk: Desk) -> ContainerView:
    """The attempt's container, created and not started. Raises Refused, TemplateError and DaemonError."""
    containers, host, spec = desk.host.containers, desk.host, desk.spec
    image = desk.step_state.image or ""
    context = desk.context(image)
    if desk.step_state.gpus is None and host.gpus is not None:
        missing = asked_gpus(spec, context).missing(host.gpus)
        if missing is not None:
            raise Refused("gpu_unavailable", f"the step {missing}", _GPU_HINT, permanent=True)
    config = build(spec, context)
    _refuse(violations(config, host.policy, host.config.limits, host.protected))  # nothing is fetched for it
    info = await _fetch_image(desk, image, config)
    pipeline = desk.state.id
    shared = labels(realm=host.realm, pipeline=pipeline, kind="pipeline", node=host.node)
    await desk.change(lambda: containers.prepare(pipeline, shared, workspace=True))
    archive = host.workspaces.pop(pipeline, None)
    if archive is not None:
        await desk.change(lambda: containers.fill_workspace(pipeline, archive))
    await bring_artifacts(desk)
    config = await asyncio.to_thread(_final, config, host)
    failpoint("before_create")
    # The policy has judged the image as it was written; what runs is that very one.
    exact = structs.replace(config, body={**config.body, "Image": info.exact})
    view: ContainerView = await desk.change(lambda: containers.create(exact))
    failpoint("after_create")
    return view


def _final(config: ContainerConfig, host: Host) -> ContainerConfig:
    """What Docker gets, judged as it is: the real host paths, after all that takes time. Does I/O. Raises Refused."""
    try:
        config = prepare_host_paths(config, host.policy, host.protected)
    except HostPathDenied as exc:
        raise Refused("mount_denied", str(exc), exc.hint) from exc
    _refuse(final_violations(config, host.policy, host.config.limits, host.protected))
    return config


def _refuse(found: list[Violation]) -> None:
    if found:
        raise Refused("policy_denied", "; ".join(map(str, found)), together(one.hint for one in found))


async def _fetch_image(desk: Desk, image: str, config: ContainerConfig) -> ImageInfo:
    """The image, here: the one of the first attempt, so that a tag which moved meanwhile changes nothing.

    Raises DaemonError, and Refused where the step itself keeps it from being fetched.
    """

    def progress(now: PullProgress) -> None:
        desk.host.progress(desk.state.id, desk.step, now)

    containers = desk.host.containers
    pinned = desk.step_state.pinned
    try:
        info = await desk.reach(
            lambda: containers.ensure_image(
                image, config.pull, platform=config.platform, digest=pinned, on_progress=progress
            )
        )
    except DaemonError as exc:
        if config.pull == "never" and exc.cause == "image_not_found":
            raise Refused(exc.cause, exc.message, _NEVER_HINT) from exc
        raise
    if info.pulled:
        fetched = ImageFetched(
            step=desk.step,
            attempt=desk.attempt,
            image=image,
            digest=info.digest,
            size=info.size,
            duration=info.duration,
        )
        await desk.report(fetched)
    return info


async def report_refusal(desk: Desk, refusal: Exception) -> None:
    """No container runs, and none may stay behind created."""
    cause, context = getattr(refusal, "cause", "template_error"), {}
    if isinstance(refusal, DaemonError):
        context = {
            "operation": refusal.operation,
            "object": refusal.subject,
            "http_status": refusal.status,
            "docker_message": desk.redactor().redact_text(refusal.message),
        }
        if cause != "name_conflict":
            await desk.change(lambda: desk.host.containers.remove(desk.container))
    message = desk.redactor().redact_text(str(getattr(refusal, "message", refusal)))
    await desk.error(cause, message, context)
    exit_codes = {"command_not_found": 127, "not_executable": 126}
    await desk.report(
        AttemptFailed(
            step=desk.step,
            attempt=desk.attempt,
            cause=cause,
            message=message,
            hint=getattr(refusal, "hint", "") or None,
            exit_code=exit_codes.get(cause),
            # Docker read the request and found it wrong: it will be the same one again.
            permanent=getattr(refusal, "permanent", False)
            or (isinstance(refusal, DaemonError) and (refusal.operation, refusal.status) == ("create", 400)),
        )
    )
