"""The node's configuration file."""

import socket
from pathlib import Path

import pytest

from gamepipeline_engine.config import Config, ConfigError, config_path, legal_id, load_config, parse_config
from gamepipeline_engine.config_reference import Row, config_reference
from gamepipeline_engine.policy import HostPath, PortRanges

EXAMPLE = """
[node]
name = "node-1"
pools = ["default"]
capacity = 4
[nats]
url = "nats://127.0.0.1:4222"
[timing]
ack_wait = "20s"
heartbeat = "5s"
node_lost_after = "5m"
orphan_grace = "30s"
[variables]
env_file = "/etc/gamepipeline/node.env"
directory = "/run/credentials/gamepipeline"
environment = []
expose = ["*"]
secret = ["*PASS*", "*SECRET*", "*TOKEN*", "*_KEY"]
[policy]
images = ["*"]
require_digest = false
privileged = ["registry.example/wod/*"]
host_paths = [{path = "/data", mode = "rw", create = true}, {path = "/dev/input", mode = "rw"}]
volumes = ["cache-*"]
devices = ["/dev/dri"]
capabilities = ["SYS_RAWIO"]
security_opt = ["seccomp=unconfined"]
network_modes = ["host"]
ports = "1024-65535"
gpus = true
[limits]
timeout = {default = "24h", max = "7d"}
memory = {max = "16g"}
cpus = {max = 8}
pids = {default = 512, max = 4096}
log_bytes = "64m"
[gpus]
ids = ["GPU-a", "GPU-b"]
[alerts]
webhooks = [{url = "https://hooks.example/gp", secret_env = "GP_WEBHOOK_SECRET"}]
"""


def test_every_key() -> None:
    """Every key of the reference is understood: durations in seconds, sizes in bytes, ranges as ranges."""
    config = parse_config(EXAMPLE)
    assert config.node.served == ("default", "node-1")
    assert config.gpus.ids == ("GPU-a", "GPU-b")
    assert [config.timing.ack_wait, config.timing.node_lost_after] == [20.0, 300.0]
    assert config.policy.host_paths == (HostPath("/data", "rw", True), HostPath("/dev/input", "rw"))
    assert config.policy.ports == PortRanges(((1024, 65535),))
    assert config.limits.timeout.max == 7 * 86_400.0
    assert config.limits.memory.max == 16 * 2**30
    assert config.limits.log_bytes == 64 * 2**20
    assert config.alerts.webhooks[0].secret_env == "GP_WEBHOOK_SECRET"


def test_no_file_is_the_defaults() -> None:
    """Without a file everything has its default and the node is named after its host."""
    config = load_config(None, {}, host_name="gpu 1.example.com")
    assert config == Config().named("gpu-1")
    assert config.node.served == ("default", "gpu-1")
    assert load_config(env={}).node.name == legal_id(socket.gethostname())


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("node-1", "node-1"),
        ("gpu 1.example.com", "gpu-1"),
        ("_x_", "x"),
        ("ü", "node"),
        ("", "node"),
        ("a" * 80, "a" * 64),
    ],
)
def test_host_names_become_ids(host: str, name: str) -> None:
    """Any host name becomes a legal id."""
    assert legal_id(host) == name


WRONG: list[tuple[str, str]] = [
    ("[node]\ncapacty = 3", "unknown key 'node.capacty': did you mean 'capacity'?"),
    ("[nodes]", "unknown key 'nodes': did you mean 'node'?"),
    ("[node]\nzzz = 1", "unknown key 'node.zzz': there are name, pools, capacity, artifact_store, subnets"),
    ('[policy]\nhost_paths = [{pth = "/x"}]', "unknown key 'policy.host_paths[0].pth': did you mean 'path'?"),
    (
        "[node]\na = 1\n[nats]\nb = 2",
        "unknown key 'node.a': there are name, pools, capacity, artifact_store, subnets; unknown key 'nats.b': ",
    ),
    ('[node]\ncapacity = "4"', "node.capacity: must be a whole number, not text"),
    ("[node]\nname = 4", "node.name: must be text, not a whole number"),
    ("[policy]\nimages = true", "policy.images: must be a list, not true or false"),
    ("[policy]\nhost_paths = [{}]", "policy.host_paths[0]: has no 'path'"),
    ('[policy]\nhost_paths = [{path = "/a", mode = "x"}]', "policy.host_paths[0].mode: 'x' is not one of ro, rw"),
    ("node = 3", "node: must be a table, not a whole number"),
    ("[limits]\ncpus = {max = -1}", "limits.cpus: max must be more than zero"),
    ("[limits]\ncpus = {default = 10, max = 5}", "limits.cpus: default is more than max"),
    ("[limits]\npids = {max = 0}", "limits.pids: max must be more than zero"),
    ('[limits]\nmemory = {default = "2g", max = "1g"}', "limits.memory: default is more than max"),
    ('[limits]\nlog_bytes = "0"', "limits.log_bytes: must be more than zero"),
    ('[limits]\nlog_bytes = "x"', "limits.log_bytes: is not a size"),
    ('[node]\npools = ["a b"]', "node: 'a b' is no legal id"),
    ("[node]\ncapacity = 0", "node: capacity is not between 1 and 1000"),
    ('[nats]\nurl = "a"\ncontext = "b"', "nats: url and context exclude each other"),
    ('[nats]\ntls_cert = "a"', "nats: tls_cert and tls_key belong together"),
    ('[timing]\nack_wait = "8s"', "timing: heartbeat is more than half of ack_wait"),
    ('[timing]\nack_wait = "0s"', "timing.ack_wait: must be longer than zero"),
    ('[policy]\nports = "1-70000"', "policy.ports: '1-70000' is no range of ports"),
    ("[policy]\nports = 80", "policy.ports: is no range of ports"),
    ('[gpus]\nids = ["a", "a"]', "gpus: ids holds an empty id, or one twice"),
    ('[gpus]\nids = [" "]', "gpus: ids holds an empty id, or one twice"),
    ('[alerts]\nwebhooks = [{url = "ftp://x"}]', "alerts.webhooks[0]: url is no http or https address"),
    ('[alerts]\nwebhooks = [{url = "http://x:y"}]', "alerts.webhooks[0]: url is no http or https address"),
    ('[alerts]\nwebhooks = [{url = "http://:80"}]', "alerts.webhooks[0]: url is no http or https address"),
    ('[registries."r.example"]', 'registries."r.example": has to have one of password_file, password_env and helper'),
    ('[registries."r.example"]\nhelper = "x"\nusername = "u"', 'registries."r.example": username belongs to'),
    ('[registries."r.example"]\npassword_env = "X"', 'registries."r.example": username belongs to'),
    ('[registries."r.example"]\nhelper = "../x"', 'registries."r.example": helper is NAME of the program'),
    ('[registries."r.example"]\nhelper = 3', 'registries."r.example".helper: must be text, not a whole number'),
    ('[registries."r.example"]\npasword_env = "X"', "unknown key 'registries.\"r.example\".pasword_env': did you"),
    ('[registries."https://r.example"]\nhelper = "x"', 'registries."https://r.example": is no host as image names'),
    ("[registries]\nhelper = 3", 'registries."helper": must be a table, not a whole number'),
    ("registries = 3", "registries: must be a table, not a whole number"),
    ("x =", "is not TOML"),
]


@pytest.mark.parametrize(("text", "why"), WRONG, ids=map(str, range(len(WRONG))))
def test_wrong(text: str, why: str) -> None:
    """What is wrong is said in one line that names the file, the key and what would be right."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "n.toml")
    assert str(caught.value).startswith("n.toml: ")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_which_file(tmp_path: Path) -> None:
    """The option wins over the variable, that over the XDG place; a relative XDG folder is ignored."""
    env = {"GAMEPIPELINE_CONFIG": "/b", "XDG_CONFIG_HOME": "/c", "HOME": "/h"}
    assert config_path("/a", env) == (Path("/a"), True)
    assert config_path(None, env) == (Path("/b"), True)
    assert config_path(None, {"XDG_CONFIG_HOME": "/c"}) == (Path("/c/gamepipeline/config.toml"), False)
    assert config_path(None, {"XDG_CONFIG_HOME": "c", "HOME": "/h"}) == (
        Path("/h/.config/gamepipeline/config.toml"),
        False,
    )
    assert config_path(None, {}) == (None, False)


def test_files(tmp_path: Path) -> None:
    """A file that was asked for and is not there is an error; the usual place may be empty."""
    with pytest.raises(ConfigError, match="there is no such file"):
        load_config(tmp_path / "none.toml", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path, {})
    usual = tmp_path / "gamepipeline" / "config.toml"
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert load_config(None, env, host_name="a").node.name == "a"
    usual.parent.mkdir()
    usual.write_text(EXAMPLE)
    assert load_config(None, env, host_name="a").node.name == "node-1"
    usual.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(None, env)


def test_defaults_of_containers() -> None:
    """Asking for nothing is no way around a maximum, and never more CPUs than the host has."""
    config = parse_config(EXAMPLE)
    assert config.container_defaults().memory == 16 * 2**30
    assert config.container_defaults().cpus is None
    assert config.container_defaults(4).cpus is None
    assert config.container_defaults(64).cpus == 8
    assert parse_config("[limits]\ncpus = {default = 2, max = 8}").container_defaults(1).cpus == 1
    assert Config().container_defaults().memory is None
    lowered = parse_config('[limits]\npids = {max = 100}\ntimeout = {max = "1h"}')
    assert (lowered.container_defaults().pids, float(lowered.limits.timeout.default)) == (100, 3600.0)


def test_the_reference_holds_every_key() -> None:
    """The table for the docs has each key once, with its default as one would write it."""
    rows = config_reference()
    keys = [(row.table, row.key) for row in rows]
    assert len(set(keys)) == len(keys)
    assert Row("timing", "node_lost_after", "duration", '"5m"') in rows
    assert Row("limits", "timeout.max", "duration", '"7d"') in rows
    assert Row("limits", "log_bytes", "size", '"64m"') in rows
    assert Row("policy", "ports", "ranges of ports", '"1024-65535"') in rows
    assert Row("policy", "host_paths[].mode", "ro or rw", '"ro"') in rows
    assert Row("alerts", "webhooks[].url", "text", "") in rows
    assert Row("node", "pools", "list of texts", '["default"]') in rows
    assert Row("limits", "cpus.max", "number", "") in rows


def test_subnets_are_private() -> None:
    """A range that belongs to somebody else is refused when the file is read."""
    assert parse_config('[node]\nsubnets = ""').node.subnets == ""
    with pytest.raises(ConfigError, match="node: 8\\.8\\.0\\.0/16 is not private"):
        parse_config('[node]\nsubnets = "8.8.0.0/16"')
