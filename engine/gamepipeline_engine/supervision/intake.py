"""From an execute command to a pipeline that this process owns, or to a refusal on record."""

from __future__ import annotations

from typing import Any

import structlog

from gamepipeline_engine.commands.queue_port import Delivery
from gamepipeline_engine.core.inputs import Claim, Refuse, RejectCommand, Submit
from gamepipeline_engine.core.specs import known_values, spec_of
from gamepipeline_engine.redaction import MIN_LENGTH, unmaskable
from gamepipeline_engine.runner import Host, Writer
from gamepipeline_engine.supervision.decoding import read_command
from gamepipeline_engine.supervision.entrance import Entrance
from gamepipeline_engine.supervision.forbidden import forbidden
from gamepipeline_engine.supervision.slots import Slot
from gamepipeline_engine.variables import secret_arguments
from gamepipeline_events import BadInput, Execute, Problem, Rerun, Subjects
from gamepipeline_events.spec.arguments import bind_arguments
from gamepipeline_events.spec.check import check
from gamepipeline_events.spec.hash import spec_hash
from gamepipeline_events.spec.resolved import ResolvedPipeline
from gamepipeline_projections.state import ACTIVE, PipelineState

log = structlog.get_logger(__name__)


def submission(command: Execute, pool: str, sequence: int, host: Host) -> Submit:
    """What the command asks for, checked. An argument that tells a secret must not get into the first event."""
    checked = check(command.pipeline)
    problems = [one for one in checked.problems if one.severity == "error"]
    if checked.pipeline is not None and not problems:
        values, bad_args = bind_arguments(checked.pipeline, command.args)
        every = {str(name): str(value) for name, value in command.args.items()} | values
        told = secret_arguments(host.values(checked.pipeline), every)
        paths = {one.path for one in told}  # what else is wrong with these would quote them, and cut them short
        problems += [*told, *(one for one in bad_args if one.path not in paths)]
    return Submit(
        document=command.pipeline,
        args=command.args,
        spec_hash=spec_hash(command.pipeline, command.args),
        pool=pool,
        submitted_by=command.submitted_by,
        command_id=command.id,
        command_seq=sequence,
        problems=tuple(problems),
        rerun=_checked_rerun(command.rerun, checked.pipeline) if command.rerun else None,
    )


def _checked_rerun(rerun: Rerun, spec: ResolvedPipeline | None) -> Rerun:
    """The link to another run. Raises BadInput when it takes over what the pipeline cannot do without."""
    kinds = {one.id: one.kind for one in spec.steps} if spec is not None else {}
    for one in rerun.taken_over if spec is not None else ():
        if kinds.get(one.step) != "container":
            raise BadInput("execute command", f"rerun.taken_over names {one.step!r:.80}, which is no container step")
    return rerun


class Intake:
    """Takes execute commands as far as the claim."""

    def __init__(self, host: Host, subjects: Subjects) -> None:
        self._host = host
        self._subjects = subjects
        self._entrance = Entrance(host)

    async def admit(self, delivery: Delivery, writer: Writer) -> bool:
        """Record the submission and, where it may run, the claim. True: this process owns it now.

        ``writer`` has the state in which the pipeline was found to be free.
        """
        subject = self._subjects.parse_command(delivery.subject)
        command = read_command(delivery.payload, Execute)
        judged = writer.state.head.seq
        if writer.state.phase == "none":
            await writer.settle(submission(command, subject.pool or "", delivery.sequence, self._host), command.id)
        if self.is_another(delivery, writer.state):
            await self._duplicate(writer, command)
            return False
        if writer.state.phase == "pending":
            problems = self.refusals(writer)
            if problems:
                await writer.settle(Refuse(problems=problems), command.id)
        ticket = await self._entrance.ticket(writer, command.id)
        if writer.state.terminal:
            return False
        return await self.take(writer, judged, command.id, ticket)

    async def waits(self, writer: Writer, slot: Slot) -> bool:
        """Whether a pipeline that was not admitted waits for its place in a group: then, until it is worth another try.

        It needs no slot meanwhile; with its place it has one again, at once. One that another engine has
        claimed by then is not for this one to admit: whether it is free is judged from the beginning.
        """
        if writer.state.phase != "pending" or writer.state.ticket is None:
            return False
        slot.lend(waiting=True)
        try:
            await self._entrance.turn(writer.state.id, writer.state.ticket)
        finally:
            slot.lend(waiting=False)
        await writer.catch_up()
        return writer.state.phase == "pending"

    async def take(self, writer: Writer, judged: int, causation: str | None = None, ticket: int | None = None) -> bool:
        """Claim the pipeline, which was free as of the event ``judged``. True: this process owns it now."""
        await writer.settle(self.claim(writer.state, judged, ticket), causation)
        state = writer.state
        if writer.epoch is None and state.engine == self._host.instance and state.phase in ACTIVE:
            # It is ours already: its run ended here by an error nobody foresaw, and begins anew.
            writer.epoch = state.epoch
        return writer.epoch is not None and state.phase in ACTIVE

    @staticmethod
    def is_another(delivery: Delivery, state: PipelineState) -> bool:
        """Whether the pipeline was begun by another command than this one."""
        return state.phase != "none" and state.command_seq != delivery.sequence

    async def answer(self, delivery: Delivery, writer: Writer) -> None:
        """A command for a pipeline that exists: what it asks for has happened, or is refused on record."""
        command = read_command(delivery.payload, Execute)
        if self.is_another(delivery, writer.state):
            await self._duplicate(writer, command)

    def claim(self, state: PipelineState, judged: int, ticket: int | None = None) -> Claim:
        """This process wants the pipeline; ``ticket`` has its place in the pipeline's group."""
        host = self._host
        if state.released:
            reason = "it was let go"
        elif state.docker not in {None, host.docker}:
            reason = "its node was lost"
        else:
            reason = "its engine is gone"
        return Claim(
            node=host.node, engine=host.instance, docker=host.docker, reason=reason, judged=judged, ticket=ticket
        )

    def refusals(self, writer: Writer) -> tuple[Problem, ...]:
        """Why this node cannot run the pipeline, all at once: values it lacks, more time than it gives, its policy."""
        spec = spec_of(writer.state)
        values = self._host.values(spec)
        if short := unmaskable(values.secrets):
            log.warning("secrets too short to be masked", pipeline=writer.state.id, names=short, least=MIN_LENGTH)
        problems = []
        most = self._host.config.limits.timeout.max
        if writer.state.document.get("timeout") is not None and spec.timeout > most:
            text = f"a timeout of {spec.timeout:g} s is more than node {self._host.node} allows ({most:g} s)"
            problems.append(Problem(code="GP401", message=text, path=("timeout",), hint="see limits.timeout"))
        for kind, names in (("envs", spec.envs), ("secrets", spec.secrets)):
            for place, name in enumerate(names):
                path: tuple[Any, ...] = (kind, place)
                if name in values.missing:
                    text = f"{name} has no value on node {self._host.node}"
                    problems.append(Problem(code="GP302", message=text, path=path, hint="set it on the node"))
                elif name in values.refused:
                    text = f"node {self._host.node} does not give {name} to pipelines"
                    problems.append(Problem(code="GP401", message=text, path=path, hint="see variables.expose"))
        args = known_values(writer.state)["args"]
        return (*problems, *forbidden(spec, writer.state.id, args, self._host))

    async def _duplicate(self, writer: Writer, command: Execute) -> None:
        """The id is taken. The same document again changes nothing; another one is refused, on record."""
        if writer.state.phase in {"rejected", "canceled"} and not writer.state.spec_hash:
            return  # born canceled: the cancel was there first
        if spec_hash(command.pipeline, command.args) != writer.state.spec_hash:
            refusal = RejectCommand(
                command="execute",
                command_id=command.id,
                code="conflict",
                message="the id belongs to a pipeline with another document or other arguments",
            )
            await writer.settle(refusal, command.id)
