"""Containers that must never be: what somebody may write, and what the engine says of it.

Each row is the ``container`` of a one-step pipeline. It goes to the engine as a command over the
queue, past every check of the client that submits. ``says`` is the code of a rejection (GP105) or
the cause of a failed step (mount_denied); ``words`` stand in its text. What the policy refuses may be
either, ``policy_denied`` or GP401: it depends on what could be known before the start.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gamepipeline_engine.config import Config, parse_config
from gamepipeline_events import Event, PipelineRejected, StepFailed
from tests.support.images import BUSYBOX

ARGUMENTS = {"LOTS": "lots", "UPPER": "Not An Image", "UP": "../..", "NO": "maybe", "RANGE": "9-1"}
"""Values that are fine as arguments, and nowhere below."""


class Bad(msgspec.Struct, frozen=True):
    """One row."""

    id: str
    says: str
    words: str
    written: dict[str, Any]

    @property
    def document(self) -> dict[str, Any]:
        """The pipeline."""
        container = {"image": BUSYBOX, "command": ["true"], **self.written}
        kept = {key: value for key, value in container.items() if value is not None}
        return {"name": "bad", "args": list(ARGUMENTS), "steps": [{"name": "bad", "container": kept}]}


def node(folder: str) -> Config:
    """A node that allows ``folder`` and devices by some names, and makes nothing that is missing."""
    return parse_config(f"""
        [policy]
        host_paths = [{{path = "{folder}", mode = "rw"}}]
        devices = ["/dev/gp-missing"]
        [node]
        capacity = 8
    """)


def said(events: list[Event]) -> list[tuple[str, str]]:
    """(code or cause, text) of whatever speaks against the pipeline."""
    found: list[tuple[str, str]] = []
    for event in events:
        match event.data:
            case PipelineRejected():
                found += [(error.code, f"{error.path}: {error.message}") for error in event.data.errors]
            case StepFailed():
                found.append((event.data.cause, event.data.message))
            case _:
                pass
    return found


def rows(folder: str) -> list[Bad]:
    """Every row. ``folder`` is one of the host, and in it a link that leads out: ``out``."""
    return [
        # images
        Bad("image-empty", "GP105", "image", {"image": ""}),
        Bad("image-upper", "GP105", "image", {"image": "Busy/Box"}),
        Bad("image-dots", "GP105", "image", {"image": "docker.io/../x"}),
        Bad("image-option", "GP105", "image", {"image": "-rm"}),
        Bad("image-space", "GP105", "image", {"image": "busybox stable"}),
        Bad("image-long", "GP105", "image", {"image": "a" * 5000}),
        Bad("image-short-digest", "GP105", "image", {"image": "busybox@sha256:abc"}),
        Bad("image-number", "GP104", "image", {"image": 7}),
        Bad("image-value", "template_error", "image", {"image": "${{ args.UPPER }}"}),
        Bad("platform", "GP105", "platform", {"platform": "linux"}),
        # commands
        Bad("command-empty", "GP105", "'command' is empty", {"command": []}),
        Bad("commands-empty", "GP105", "'commands' is empty", {"command": None, "commands": []}),
        Bad("commands-both", "GP108", "exclude each other", {"commands": ["true"]}),
        Bad("command-quote", "GP105", "quotation", {"command": "echo 'open"}),
        Bad("command-long", "GP106", "longer than", {"command": ["echo", "a" * 200_000]}),
        Bad("commands-long", "GP106", "bytes", {"command": None, "commands": ["true " + "a" * 200_000]}),
        Bad("command-nul", "GP105", "NUL", {"command": ["echo", "a\0b"]}),
        Bad("variable-long", "GP106", "bytes", {"environment": {"A": "a" * 40_000}}),
        Bad("variable-space", "GP105", "no name", {"environment": {"A B": "x"}}),
        Bad("variable-nameless", "GP105", "no name", {"environment": ["=x"]}),
        Bad("variable-twice", "GP102", "twice", {"environment": ["A=1", "A=2"]}),
        Bad("variable-list", "GP104", "environment", {"environment": {"A": ["x"]}}),
        Bad("working-dir", "GP105", "absolute", {"working_dir": "here"}),
        Bad("user", "GP105", "user", {"user": "999999999999"}),
        Bad("hostname", "GP105", "host name", {"hostname": "a_b"}),
        # mounts
        Bad("mount-relative", "GP105", "relative", {"volumes": ["./data:/data"]}),
        Bad("mount-dots", "GP105", "'..'", {"volumes": [f"{folder}/../..:/data"]}),
        Bad("mount-dots-value", "template_error", "'..'", {"volumes": [f"{folder}/${{{{ args.UP }}}}:/data"]}),
        Bad("mount-root", "policy_denied", "docker", {"volumes": ["/:/host"]}),
        Bad("mount-socket", "policy_denied", "docker.sock", {"volumes": ["/var/run/docker.sock:/s"]}),
        Bad("mount-elsewhere", "policy_denied", "/etc", {"volumes": ["/etc:/data:ro"]}),
        Bad("mount-missing", "mount_denied", "does not exist", {"volumes": [f"{folder}/none:/data"]}),
        Bad("mount-link", "mount_denied", "leads to /etc", {"volumes": [f"{folder}/out:/data"]}),
        Bad("mount-over-root", "GP105", "mounted at", {"volumes": [f"{folder}:/"]}),
        Bad("mount-over-proc", "GP105", "mounted at", {"volumes": [f"{folder}:/proc/sys"]}),
        Bad("mount-twice", "GP105", "already the place", {"volumes": [f"{folder}:/a"], "tmpfs": "/a/"}),
        Bad("mount-over-workspace", "GP105", "workspace", {"volumes": [f"{folder}:/workspace"]}),
        Bad("mount-over-outputs", "GP105", "outputs", {"volumes": [f"{folder}:/workspace/.gamepipeline"]}),
        Bad("mount-option", "GP105", "unknown option", {"volumes": [f"{folder}:/a:fast"]}),
        Bad("volume-denied", "policy_denied", "volume", {"volumes": ["cache:/a"]}),
        Bad("volume-of-another", "policy_denied", "belongs to the engine", {"volumes": ["gp-other.workspace:/a"]}),
        Bad("tmpfs-option", "GP105", "unknown option", {"tmpfs": "/a:junk=1"}),
        # labels
        Bad("label-ours", "GP105", "engine's own", {"labels": {"io.gamepipeline.step": "x"}}),
        Bad("label-long", "GP106", "label", {"labels": {"a": "b" * 300_000}}),
        Bad("label-nameless", "GP105", "no name", {"labels": ["=x"]}),
        Bad("label-ours-value", "GP304", "part of a key", {"labels": ["${{ args.LOTS }}=x"]}),
        # numbers
        Bad("memory-small", "GP105", "6m", {"mem_limit": 1000}),
        Bad("memory-negative", "GP105", "negative", {"mem_limit": "-5m"}),
        Bad("memory-text", "GP104", "size", {"mem_limit": "much"}),
        Bad("memory-value", "template_error", "size", {"mem_limit": "${{ args.LOTS }}"}),
        Bad("swap-small", "GP105", "at least", {"mem_limit": "64m", "memswap_limit": "32m"}),
        Bad("cpus-many", "GP105", "cpus", {"cpus": 1000}),
        Bad("cpus-of-another-node", "template_error", "this node has", {"cpus": 500}),
        Bad("cpuset-of-another-node", "container_create", "CPUs", {"cpuset": "900"}),
        Bad("cpus-none", "GP105", "cpus", {"cpus": 0}),
        Bad("cpus-value", "template_error", "CPUs", {"cpus": "${{ args.LOTS }}"}),
        Bad("shm-negative", "GP105", "negative", {"shm_size": -1}),
        Bad("pids-none", "GP105", "pids_limit", {"pids_limit": 0}),
        Bad("grace-long", "GP105", "366 days", {"stop_grace_period": "1000000000d"}),
        Bad("limit-unknown", "GP105", "limit", {"ulimits": {"nofiles": 1}}),
        Bad("limit-soft", "GP105", "soft limit", {"ulimits": {"nofile": {"soft": 2, "hard": 1}}}),
        Bad("boolean-word", "GP104", "true or false", {"privileged": "yes"}),
        Bad("boolean-value", "template_error", "true or false", {"privileged": "${{ args.NO }}"}),
        Bad("number-value", "template_error", "whole number", {"healthcheck": {"retries": "${{ args.NO }}"}}),
        # templates
        Bad("template-nested", "GP303", "inside another", {"command": ["${{ ${{ args.NO }} }}"]}),
        Bad("template-open", "GP303", "without '}}'", {"command": ["${{ args.NO"]}),
        Bad("template-unknown", "GP301", "not declared", {"command": ["${{ args.NOBODY }}"]}),
        Bad("template-python", "GP303", "__class__", {"command": ["${{ args.__class__.__mro__ }}"]}),
        Bad("template-root", "GP303", "not known", {"command": ["${{ self.secret }}"]}),
        Bad("template-key", "GP304", "part of a key", {"environment": {"${{ args.NO }}": "x"}}),
        # devices
        Bad("device-relative", "GP105", "device", {"devices": ["null"]}),
        Bad("device-dots", "GP105", "'..'", {"devices": ["/dev/../etc/shadow"]}),
        Bad("device-rights", "GP105", "device", {"devices": ["/dev/null:/dev/null:rx"]}),
        Bad("device-denied", "policy_denied", "/dev/mem", {"devices": ["/dev/mem"]}),
        Bad("device-missing", "device_unavailable", "gp-missing", {"devices": ["/dev/gp-missing"]}),
        Bad("gpu-denied", "policy_denied", "GPU", {"gpus": "all"}),
        Bad("gpu-both", "GP108", "exclude each other", {"gpus": [{"count": 1, "device_ids": ["0"]}]}),
        Bad("gpu-none", "GP105", "between 1", {"gpus": [{"count": 0}]}),
        Bad("gpu-nameless", "GP105", "empty", {"gpus": [{"device_ids": [""]}]}),
        # ports
        Bad("port-none", "GP105", "not 0", {"ports": ["8080:0"]}),
        Bad("port-high", "GP105", "65535", {"ports": ["8080:70000"]}),
        Bad("port-text", "GP105", "neither a port", {"ports": ["http:80"]}),
        Bad("port-backwards", "GP105", "the lower one first", {"ports": ["9001-9000:80"]}),
        Bad("port-lengths", "GP105", "cannot stand for", {"ports": ["9000-9002:80-81"]}),
        Bad("port-twice", "GP105", "published twice", {"ports": ["9000:80", "9000:81"]}),
        Bad("port-protocol", "GP105", "none of tcp", {"ports": ["9000:80/icmp"]}),
        Bad("port-address", "GP105", "IP address", {"ports": ["1.2.3:9000:80"]}),
        Bad("port-denied", "policy_denied", "port 80", {"ports": ["80:80"]}),
        Bad("port-value", "template_error", "lower one first", {"ports": ["${{ args.RANGE }}:80"]}),
        Bad("expose", "GP105", "neither a port", {"expose": ["all"]}),
        # power over the host
        Bad("privileged", "policy_denied", "privileged", {"privileged": True}),
        Bad("capability-unknown", "GP105", "capability", {"cap_add": ["SYS_ADMN"]}),
        Bad("capability-denied", "policy_denied", "SYS_ADMIN", {"cap_add": ["SYS_ADMIN"]}),
        Bad("security-denied", "policy_denied", "seccomp", {"security_opt": ["seccomp:unconfined"]}),
        Bad("profile-in-a-file", "GP402", "seccomp profile", {"security_opt": ["seccomp=/p.json"]}),
        Bad("network-denied", "policy_denied", "network mode", {"network_mode": "host"}),
        Bad("network-of-a-service", "GP402", "service:", {"network_mode": "service:x"}),
        Bad("namespace-denied", "policy_denied", "pid", {"pid": "host"}),
        Bad("sysctl-denied", "policy_denied", "kernel setting", {"sysctls": {"kernel.panic": 1}}),
        Bad("ulimit-denied", "policy_denied", "rtprio", {"ulimits": {"rtprio": 50}}),
        Bad("runtime-denied", "policy_denied", "runtime", {"runtime": "kata"}),
        Bad("field-unsupported", "GP402", "not supported", {"oom_kill_disable": True}),
        Bad("field-unknown", "GP103", "unknown key", {"comand": ["true"]}),
    ]
