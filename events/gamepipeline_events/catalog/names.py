"""The closed vocabularies of events: causes of a failure and kinds of alert, with what each means."""

from __future__ import annotations

CAUSES: dict[str, str] = {
    "exit_nonzero": "the container ended with an exit code other than 0",
    "oom_killed": "the kernel killed the container because it used more memory than it may",
    "signal": "a signal ended the container's process",
    "killed_external": "somebody stopped or killed the container by hand",
    "command_not_found": "the command does not exist in the image",
    "not_executable": "the command exists but cannot be executed",
    "image_not_found": "the registry does not have the image",
    "image_auth": "the registry refuses access to the image",
    "image_pull": "fetching the image failed",
    "container_create": "Docker refused to create the container",
    "container_start": "Docker could not start the container",
    "name_conflict": "something that is not ours has the container's name",
    "device_unavailable": "a device the step asks for is not on the node",
    "gpu_unavailable": "a GPU the step asks for is not on the node",
    "port_conflict": "a port the step publishes is taken",
    "mount_denied": "a mount of the step is not possible or not allowed",
    "no_space": "a disk is full",
    "daemon_unreachable": "the Docker daemon does not answer",
    "concurrency_full": "the step's concurrency group had no place, and the step does not wait for one",
    "step_timeout": "the step took longer than its timeout",
    "ready_timeout": "the service was not ready in time",
    "policy_denied": "the node's policy forbids something the step asks for",
    "template_error": "an expression could not be filled in",
    "container_lost": "the container is gone although nobody recorded its end",
    "node_lost": "the node is away for longer than node_lost_after",
    "interrupted": "the daemon ended the container while it shut down",
    "engine_error": "the engine itself failed",
}

ALERTS: dict[str, str] = {
    "pipeline_failed": "a pipeline failed",
    "docker_error": "Docker calls of a pipeline keep failing",
    "pipeline_timed_out": "a pipeline ran out of time",
    "pipeline_stalled": "a pipeline makes no progress and nothing of it runs",
    "step_lost": "the container of a step disappeared",
    "node_lost": "the node of a pipeline or service is away",
    "unserved_pool": "commands wait in a pool that no engine serves",
    "disk_full": "a store is full or nearly full",
    "service_exited": "a service ended by itself",
    "logs_lost": "log lines could not be stored",
}
