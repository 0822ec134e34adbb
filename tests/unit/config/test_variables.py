"""Where the values behind envs and secrets come from."""

from pathlib import Path

import pytest

from gamepipeline_engine.config import ConfigError, VariablesConfig
from gamepipeline_engine.variables import (
    NodeVariables,
    Resolved,
    node_variables,
    read_env_file,
    run_variables,
    secret_arguments,
)


def test_only_what_is_listed() -> None:
    """The answer holds the names a pipeline lists, and says which have no value or may not be asked for."""
    node = NodeVariables([{"A": "1", "B": "", "HIDDEN": "x", "OTHER": "y"}], expose=["A", "B", "C", "S"])
    found = node.resolve(["A", "B", "C", "HIDDEN", "A"], ["S", "S"])
    assert found == Resolved(envs={"A": "1", "B": ""}, secrets={}, missing=["C", "S"], refused=["HIDDEN"])


def test_what_the_node_calls_secret_is_secret() -> None:
    """A name that fits a secret pattern is a secret although it is listed under envs."""
    config = VariablesConfig(environment=("*",))
    node = node_variables(config, {"DB_PASSWORD": "p", "API_KEY": "k", "PLAIN": "v", "BOTH": "b"})
    found = node.resolve(["DB_PASSWORD", "API_KEY", "PLAIN", "BOTH"], ["BOTH"])
    assert found.envs == {"PLAIN": "v"}
    assert found.secrets == {"DB_PASSWORD": "p", "API_KEY": "k", "BOTH": "b"}
    assert node.is_secret("MY_TOKEN")


def test_the_order_of_a_node(tmp_path: Path) -> None:
    """The env file wins over the directory, that over the environment, of which only the named part is there."""
    (tmp_path / "node.env").write_text("A=file\nexport Q='a b'\n# no\nNOTHING\nM=\"a\\nb\"\nD=$A\n")
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "A").write_text("directory")
    (folder / "B").write_bytes(b"line 1\nline 2\r\n")
    (folder / "not-a-name").write_text("x")
    (folder / "F").mkdir()
    config = VariablesConfig(env_file=str(tmp_path / "node.env"), directory=str(folder), environment=("B", "C*"))
    node = node_variables(config, {"B": "environment", "C1": "environment", "PATH": "/bin"})
    found = node.resolve(["A", "B", "C1", "Q", "M", "D", "PATH", "NOTHING", "F"], [])
    assert found.envs == {
        "A": "file",
        "B": "line 1\nline 2",
        "C1": "environment",
        "Q": "a b",
        "M": "a\nb",
        "D": "$A",
    }
    assert found.missing == ["PATH", "NOTHING", "F"]


def test_the_order_of_a_run(tmp_path: Path) -> None:
    """``--env`` wins over ``--env-file``, the later file over the earlier, all over the node and the caller."""
    for name, text in {"one": "A=one\nB=one\nC=one\n", "two": "B=two\nA=two\n", "node": "C=node\nD=node\n"}.items():
        (tmp_path / name).write_text(text)
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "E").write_text("directory\n")
    run = run_variables(
        VariablesConfig(env_file=str(tmp_path / "node"), directory=str(folder)),
        {"D": "caller", "E": "caller", "F": "caller"},
        given={"A": "given"},
        env_files=[tmp_path / "one", tmp_path / "two"],
    )
    assert run.resolve(list("ABCDEF"), []).envs == {
        "A": "given",
        "B": "two",
        "C": "one",
        "D": "node",
        "E": "directory",
        "F": "caller",
    }
    assert run_variables(VariablesConfig(), {"F": "caller"}).resolve(["F"], []).envs == {"F": "caller"}


def test_values_are_never_shown() -> None:
    """A repr tells names, never values."""
    node = NodeVariables([{"A": "hunter22"}], secret=["A"])
    for shown in (repr(node), repr(node.resolve(["A"], [])), repr(node.resolve([], ["A"]))):
        assert "hunter22" not in shown


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """A source that is configured and cannot be read is an error that names it and shows none of it."""
    with pytest.raises(ConfigError, match=r"none\.env: cannot be read"):
        read_env_file(tmp_path / "none.env")
    (tmp_path / "bad").write_bytes(b"hunter22\xff")
    with pytest.raises(ConfigError, match="not UTF-8") as caught:
        read_env_file(tmp_path / "bad")
    assert caught.value.__cause__ is None
    (tmp_path / "big").write_bytes(b"x" * (1024 * 1024 + 1))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        read_env_file(tmp_path / "big")
    with pytest.raises(ConfigError, match="cannot be read"):
        node_variables(VariablesConfig(directory=str(tmp_path / "none")), {})


def test_an_argument_that_tells_a_secret() -> None:
    """As it is, encoded, or as a part; every one is named, and its value is not. Other values are nobody's business."""
    values = Resolved(secrets={"S3_KEY": "hunter22", "SHORT": "abc"}, envs={"HOST": "example"})
    args = {"A": "hunter22", "B": "x aHVudGVyMjI= y", "C": "hunter", "D": "abc", "E": "example"}
    problems = secret_arguments(values, args)
    assert [(one.code, one.path) for one in problems] == [("GP304", ("args", "A")), ("GP304", ("args", "B"))]
    assert "hunter22" not in "".join(map(str, problems))


def test_a_plan_does_without_the_files_of_the_node(tmp_path: Path) -> None:
    """They are told of, each; what the caller names has to be there, and a run needs all of them."""
    config = VariablesConfig(env_file=str(tmp_path / "none.env"), directory=str(tmp_path / "none"))
    told: list[str] = []
    found = run_variables(config, {"A": "1"}, unreadable=lambda why: told.append(str(why)))
    assert found.resolve(["A"], []).envs == {"A": "1"}
    assert [name in line for name, line in zip(("none.env", "none"), told, strict=True)] == [True, True]
    with pytest.raises(ConfigError, match=r"mine\.env"):
        run_variables(config, {}, env_files=[tmp_path / "mine.env"], unreadable=lambda why: told.append(str(why)))
    with pytest.raises(ConfigError, match=r"none\.env"):
        run_variables(config, {})
