"""Variables of the container."""

from typing import Any

from hypothesis import given as drawn
from hypothesis import strategies as st

from gamepipeline_engine.assembly.fields.environment import Variables
from gamepipeline_engine.assembly.rendering import Value
from tests.unit.assembly.making import built, context, env

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def test_map_and_list() -> None:
    """The map and the list say the same; a value is text as it was written, null is the node's variable."""
    given: dict[str, Any] = {"envs": {"NODE": "n"}}
    as_map = {"A": 1920, "B": True, "C": "1.10", "NODE": None, "E": "", "F": 1.5}
    as_list = ["A=1920", "B=true", "C=1.10", "NODE", "E=", "F=1.5"]
    found = env(built(environment=as_map, given=given))
    assert found == env(built(environment=as_list, given=given))
    assert {key: found[key] for key in as_map} == {
        "A": "1920",
        "B": "true",
        "C": "1.10",
        "NODE": "n",
        "E": "",
        "F": "1.5",
    }


def test_ours_win() -> None:
    """CI may be overridden, what begins with GAMEPIPELINE may not."""
    found = env(built(environment={"CI": "false", "GAMEPIPELINE_ID": "x", "GAMEPIPELINE_STATUS": "fine"}))
    assert (found["CI"], found["GAMEPIPELINE_ID"], found["GAMEPIPELINE_STATUS"]) == ("false", "p1", "success")


def test_a_service_has_no_output_file() -> None:
    """Only container steps have outputs."""
    assert "GAMEPIPELINE_OUTPUT" not in env(built("service"))


def test_secrets_by_name() -> None:
    """``secrets`` of the container gives variables of these names, beside the body."""
    config = built(secrets=["S", {"name": "T"}], given={"secrets": {"S": "1", "T": "hunter22"}})
    assert config.secrets == {"S": "1", "T": "hunter22"}


def test_pipeline_values() -> None:
    """Expressions know the pipeline, the matrix and outputs."""
    text = "${{ pipeline.id }} ${{ pipeline.name }} ${{ pipeline.status }} ${{ pipeline.failed_step }} ${{ matrix.M }}"
    given: dict[str, Any] = {"pipeline_status": "failure", "failed_step": "a", "matrix": {"M": "m"}}
    assert env(built(environment={"X": text}, given=given))["X"] == "p1 Platform Start failure a m"
    assert env(built(environment={"X": "${{ pipeline.failed_step }}"}))["X"] == ""


@drawn(value=TEXT)
def test_a_value_is_never_read_again(value: str) -> None:
    """Whatever an argument holds, it is one word of a command and one value of a variable."""
    config = built(command="a ${{ args.A }}b", environment={"X": "${{ args.A }}"}, given={"args": {"A": value}})
    assert config.body["Cmd"] == ["a", f"{value}b"]
    assert f"X={value}" in config.body["Env"]


def test_secrets_as_files() -> None:
    """With ``file`` it is no variable; its path may hold an expression, the rest stays the same."""
    given = {"secrets": {"S": "hunter22"}, "args": {"A": "x"}}
    secrets = [{"name": "S", "file": "/run/secrets/${{ args.A }}/"}]
    config = built(secrets=secrets, given=given)
    assert (config.files, config.secrets) == ({"/run/secrets/x": "hunter22"}, {})
    assert "hunter22" not in repr(config)
    assert config.body["HostConfig"] == built(given=given).body["HostConfig"]


@drawn(secret=TEXT.filter(lambda text: len(text) >= 4), around=TEXT)
def test_a_secret_is_in_no_part_of_the_body(secret: str, around: str) -> None:
    """However a secret gets into the environment, the body tells nothing of it."""
    given: dict[str, Any] = {"secrets": {"S": secret}, "args": {"A": around + secret}, "pipeline_name": "n"}
    config = built(
        commands=["x ${{ secrets.S }}"], environment={"A": "${{ args.A }}", "B": "${{ secrets.S }}"}, given=given
    )
    entries = [entry.partition("=")[2] for entry in config.body["Env"]]
    assert not any(secret in entry for entry in entries)
    assert {"A", "B", "GAMEPIPELINE_SECRET_S"} <= set(config.secrets)


def test_reprs_hide_values() -> None:
    """A context that gets into a traceback shows no value."""
    assert "hunter22" not in repr(context(secrets={"S": "hunter22"}))
    assert "hunter22" not in repr(Variables({}, {"S": "hunter22"}))
    assert "hunter22" not in repr(Value("hunter22", secret=True))
    assert repr(Value("a")) == "Value('a')"


def test_the_spec_label_is_what_the_stream_tells() -> None:
    """Status, variables of the node and its settings do not change which container it is; the step does."""
    label = "io.gamepipeline.spec"
    one = built(given={"secrets": {"S": "1"}}).body["Labels"][label]
    assert built(given={"pipeline_status": "failure", "node": "other"}).body["Labels"][label] == one
    assert built(command="x").body["Labels"][label] != one
