"""Every rule is broken here, at least once: a real history with one lie in it, and who must find it."""

from __future__ import annotations

from msgspec.structs import replace

from gamepipeline_events import StepTakenOver
from gamepipeline_projections.audit import DockerEvent
from gamepipeline_projections.reading import Recorded
from tests.unit.audit.cases import PIPELINE, both, document, drop, edit, envelope, forge, handed_over, insert, move
from tests.unit.audit.lies import (
    ALERT,
    BACK_OFF,
    CANCEL,
    DEADLINE,
    DONE,
    FAILED,
    KEPT,
    OTHER_ENGINE,
    REPEATED,
    RETRY,
    SEQUENCE,
    SERVICE,
    SKIPS,
    STOPPED,
    STORED,
    TIMEOUT,
    Mutation,
    attempt_from,
    canceled_twice,
    cut,
    damaged,
    docker,
    doubled,
    earlier,
    elsewhere,
    forged,
    id_again,
    keep_promise,
    leftover,
    line_changed,
    log_record,
    lost,
    many_errors,
    other_payload,
    scheduled_not_skipped,
    sent,
    skipped_not_run,
    swapped,
    told,
    without_log,
    wrong_hash,
)

CHAIN = [
    Mutation("a payload is cut off", "payload_decodes", SEQUENCE, damaged(4, cut)),
    Mutation("a record under another subject", "subject_matches", SEQUENCE, damaged(4, elsewhere)),
    Mutation("an event is lost", "numbers_dense", SEQUENCE, lost(5)),
    Mutation("the first event is lost", "numbers_dense", SEQUENCE, lost(0)),
    Mutation("an event is stored twice", "numbers_dense", SEQUENCE, doubled),
    Mutation(
        "a result is changed", "hash_chain", SEQUENCE, damaged(4, other_payload(b'"exit_code":0', b'"exit_code":1'))
    ),
    Mutation("a blank is added", "hash_chain", SEQUENCE, damaged(4, other_payload(b'"data":{', b'"data": {'))),
    Mutation("a prevhash of something else", "hash_chain", SEQUENCE, damaged(6, wrong_hash)),
    Mutation("the last result is changed", "head_known", SKIPS, damaged(-1, other_payload(b"build", b"other"))),
    Mutation("two records change places", "stream_order", SEQUENCE, swapped),
    Mutation("time goes back", "times_forward", SEQUENCE, forged(earlier("StepScheduled", 60))),
    Mutation(
        "a time without a zone",
        "times_forward",
        SEQUENCE,
        forged(envelope("PipelineCompleted", time="2026-11-23 18:00")),
    ),
    Mutation("one decision is stored twice", "ids_unique", SEQUENCE, forged(id_again)),
    Mutation(
        "other arguments than were hashed",
        "spec_hash_true",
        SEQUENCE,
        forged(edit("PipelineSubmitted", args={"A": "b"})),
    ),
]

LIFECYCLE = [
    Mutation("steps without a start of the pipeline", "transition_legal", SEQUENCE, forged(drop("PipelineStarted"))),
    Mutation("a second terminal event", "one_end", SEQUENCE, forged(insert(FAILED, after="PipelineCompleted"))),
    Mutation("a step after the end", "nothing_after_end", SEQUENCE, forged(insert(DONE, after="PipelineCompleted"))),
    Mutation("an end while a step is open", "settled_at_end", SKIPS, forged(drop("StepSkipped", "publish"))),
    Mutation("a service that nobody lists", "services_listed", SERVICE, forged(edit("PipelineCompleted", services=[]))),
    Mutation("a pipeline that never ends", "has_ended", SEQUENCE, forged(drop("PipelineCompleted"))),
]

ORDERING = [
    Mutation("a document that is not accepted", "document_readable", SEQUENCE, forged(document(surprise=1))),
    Mutation(
        "a step before what it needs",
        "needs_settled",
        SEQUENCE,
        forged(move("StepScheduled", "unpack", before="StepCompleted", of="fetch")),
    ),
    Mutation("a step behind a failed one", "condition_met", SKIPS, forged(scheduled_not_skipped("test"))),
    Mutation(
        "a step for failures without one",
        "condition_met",
        told("09_on_failure_not_needed"),
        forged(scheduled_not_skipped("tell")),
    ),
    Mutation("a step is skipped for no reason", "skip_justified", SEQUENCE, forged(skipped_not_run)),
    Mutation("more steps than allowed", "parallelism", told("03_max_parallel"), forged(document(max_parallel=1))),
]

OWNERSHIP = [
    Mutation(
        "a claim leaves out an epoch",
        "epochs_count",
        handed_over,
        forged(both(edit("PipelineResumed", epoch=3), envelope("PipelineResumed", epoch=3))),
    ),
    Mutation(
        "a claim for somebody else", "claim_is_own", handed_over, forged(edit("PipelineResumed", engine=OTHER_ENGINE))
    ),
    Mutation(
        "an event with a stale epoch", "epoch_current", handed_over, forged(envelope("StepCompleted", "a", epoch=1))
    ),
    Mutation(
        "an event of another engine",
        "engine_owns",
        handed_over,
        forged(envelope("StepCompleted", "a", engine=OTHER_ENGINE)),
    ),
    Mutation(
        "a step scheduled by no owner",
        "owner_only",
        SEQUENCE,
        forged(envelope("StepScheduled", "unpack", epoch=None, engine=None)),
    ),
    Mutation(
        "a start recorded by no owner",
        "owner_only",
        SEQUENCE,
        forged(envelope("StepStarted", "unpack", epoch=None, engine=None)),
    ),
    Mutation(
        "a wrong engine before", "previous_engine", handed_over, forged(edit("PipelineResumed", previous_engine="X"))
    ),
    Mutation(
        "a word after the release", "released_is_silent", handed_over, forged(insert(ALERT, after="PipelineReleased"))
    ),
    Mutation("a claim on another daemon", "one_daemon", handed_over, forged(edit("PipelineResumed", docker="OTHER"))),
    Mutation(
        "a start on another daemon", "one_daemon", handed_over, forged(edit("StepScheduled", "b", docker="OTHER"))
    ),
]

INTENT = [
    Mutation("a start that was never scheduled", "scheduled_first", SEQUENCE, forged(drop("StepScheduled", "unpack"))),
    Mutation("a GPU without a ticket", "gpus_by_ticket", SEQUENCE, forged(edit("StepScheduled", "unpack", gpus=["a"]))),
    Mutation("canceled without a request", "stop_before_cancel", CANCEL, forged(drop("StepStopRequested", "long"))),
    Mutation(
        "canceled for another cause",
        "stop_before_cancel",
        CANCEL,
        forged(edit("StepCanceled", "long", cause="pipeline_failed")),
    ),
    Mutation("a timeout without a request", "stop_before_timeout", TIMEOUT, forged(drop("StepStopRequested"))),
    Mutation(
        "a stop for a cancel nobody asked for",
        "stop_has_reason",
        TIMEOUT,
        forged(edit("StepStopRequested", cause="cancel")),
    ),
    Mutation("timed out without a deadline", "deadline_first", DEADLINE, forged(drop("PipelineDeadlineReached"))),
    Mutation("canceled without a cancel", "cancel_first", CANCEL, forged(drop("PipelineCancelRequested"))),
    Mutation("a step is out of time too early", "limit_not_early", TIMEOUT, forged(earlier("StepStopRequested", 0.5))),
    Mutation(
        "a pipeline is out of time too early",
        "limit_not_early",
        DEADLINE,
        forged(earlier("PipelineDeadlineReached", 0.5)),
    ),
    Mutation("a service stops without a request", "service_stop_asked", STOPPED, forged(drop("ServiceStopRequested"))),
]

ARTIFACTS = [
    Mutation("artifacts twice", "artifacts_once", KEPT, forged(insert(STORED, after="ArtifactsStored"))),
    Mutation(
        "artifacts nobody asked for",
        "artifacts_wanted",
        SEQUENCE,
        forged(insert(replace(STORED, step="fetch"), after="StepStarted", of="fetch")),
    ),
    Mutation("an archive without a hash", "artifacts_whole", KEPT, forged(edit("ArtifactsStored", sha256=None))),
    Mutation("files that were not kept", "artifacts_whole", KEPT, forged(edit("ArtifactsStored", problem="full"))),
    Mutation("artifacts of another attempt", "attempt_current", KEPT, forged(edit("ArtifactsStored", attempt=2))),
]

ATTEMPTS = [
    Mutation("an attempt is left out", "attempts_count", RETRY, forged(attempt_from(5, 3))),
    Mutation(
        "a start of another attempt", "attempt_current", RETRY, forged(edit("StepStarted", "flaky", count=2, attempt=1))
    ),
    Mutation(
        "a back-off ends with an attempt that was not next",
        "attempt_current",
        BACK_OFF,
        forged(edit("StepCanceled", attempt=3)),
    ),
    Mutation("an attempt ends twice", "one_outcome", SEQUENCE, forged(insert(DONE, after="StepCompleted", of="fetch"))),
    Mutation(
        "a retry nobody announced",
        "retry_announced",
        RETRY,
        forged(edit("StepFailed", will_retry=False, retry_at=None)),
    ),
    Mutation("a retry without a time", "retry_dated", RETRY, forged(edit("StepFailed", retry_at=None))),
    Mutation(
        "a retry too early",
        "retry_not_early",
        RETRY,
        forged(edit("StepFailed", retry_at="2026-11-23T18:00:09.000000Z")),
    ),
    Mutation("a retry that never comes", "retry_kept", RETRY, forged(keep_promise)),
    Mutation("a back-off ends for no reason", "retry_kept", BACK_OFF, forged(drop("PipelineCancelRequested"))),
    Mutation("more errors than the budget", "retry_budget", RETRY, forged(many_errors)),
    Mutation(
        "a retry against the step's own words", "retry_as_asked", RETRY, forged(edit("StepFailed", cause="oom_killed"))
    ),
    Mutation("an error in the name of the container", "kind_of_cause", RETRY, forged(edit("StepFailed", kind="error"))),
]


OUTSIDE = [
    Mutation("a log record is cut off", "log_readable", SEQUENCE, log_record("StepLog", lambda r: [cut(r)])),
    Mutation(
        "a log record of another step",
        "log_readable",
        SEQUENCE,
        log_record("StepLog", lambda r: [Recorded(r.sequence, f"gamepipeline.logs.{PIPELINE}.other", r.payload)]),
    ),
    Mutation("a chunk is stored twice", "chunks_dense", SEQUENCE, log_record("StepLog", lambda r: [r, r])),
    Mutation("a chunk is missing", "log_sums", SEQUENCE, without_log("StepLog")),
    Mutation(
        "the first of two chunks is missing",
        "chunks_dense",
        told("28_service_log"),
        log_record(
            "StepLog", lambda r: [Recorded(r.sequence, r.subject, r.payload.replace(b'"chunk":1', b'"chunk":2'))]
        ),
    ),
    Mutation("a line of a log is changed", "log_sums", SEQUENCE, log_record("StepLog", line_changed)),
    Mutation("a log goes on behind its end", "closed_last", SEQUENCE, log_record("LogClosed", lambda r: [r, r])),
    Mutation("a log is never closed", "log_closed", SEQUENCE, without_log("LogClosed")),
    Mutation("a container is started twice", "one_start", SEQUENCE, docker(lambda seen: [*seen, seen[0]])),
    Mutation(
        "a container nobody scheduled",
        "start_intended",
        SEQUENCE,
        docker(lambda seen: [*seen, DockerEvent(action="start", container=f"gp-{PIPELINE}.check.2")]),
    ),
    Mutation(
        "a container before its intent",
        "start_intended",
        SEQUENCE,
        docker(lambda seen: [replace(seen[0], time="2026-11-23T17:59:59.000000Z"), *seen[1:]]),
    ),
    Mutation(
        "a container of an unknown pipeline",
        "start_intended",
        SEQUENCE,
        docker(lambda seen: [*seen, DockerEvent(action="start", container="gp-nobody.a.1")]),
    ),
    Mutation(
        "a container after the end",
        "no_start_after_end",
        SEQUENCE,
        docker(lambda seen: [replace(seen[0], time="2026-11-23T19:00:00.000000Z"), *seen[1:]]),
    ),
    Mutation(
        "another exit code than Docker's",
        "exit_code_true",
        SEQUENCE,
        docker(lambda seen: [replace(one, exit_code=7) if one.action == "die" else one for one in seen]),
    ),
    Mutation("a container is left", "nothing_left", SEQUENCE, leftover("container", f"gp-{PIPELINE}.fetch.1")),
    Mutation("a volume is left", "nothing_left", SERVICE, leftover("volume", f"gp-{PIPELINE}.workspace")),
    Mutation("an execute without a pipeline", "command_effect", SEQUENCE, sent("execute", "p2")),
    Mutation(
        "a cancel without an end",
        "command_effect",
        SEQUENCE,
        lambda case: sent("cancel")(forge(case, drop("PipelineCompleted"))),
    ),
    Mutation("a stop without an effect", "command_effect", SERVICE, sent("stop")),
    Mutation(
        "a stop of one service without an effect",
        "command_effect",
        SERVICE,
        sent("stop", step="game", at="2026-11-23T19:00:00.000000Z"),
    ),
    Mutation("one cancel, two requests", "one_effect", CANCEL, forged(canceled_twice)),
]

RERUNS = [
    Mutation(
        "outputs of another run",
        "taken_over_as_submitted",
        REPEATED,
        forged(edit("StepTakenOver", "a", outputs={"v": "43"})),
    ),
    Mutation(
        "a step taken over that was to run",
        "taken_over_as_submitted",
        REPEATED,
        forged(
            insert(
                StepTakenOver(step="b", from_pipeline="p0", from_attempt=1, exit_code=0, outputs={}),
                after="StepTakenOver",
                of="a",
            )
        ),
    ),
    Mutation(
        "a step that starts before another is taken over",
        "taken_over_first",
        REPEATED,
        forged(move("StepScheduled", "b", before="StepTakenOver", of="a")),
    ),
]

MUTATIONS = [*CHAIN, *LIFECYCLE, *ORDERING, *OWNERSHIP, *INTENT, *ATTEMPTS, *ARTIFACTS, *RERUNS, *OUTSIDE]
