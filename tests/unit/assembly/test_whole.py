"""The configuration as a whole."""

import pytest

from gamepipeline_engine.assembly import TemplateError, build, render_image
from tests.unit.assembly.making import built, context, env, step


def test_an_ordinary_step() -> None:
    """A step with commands gets a shell, the workspace, its network and the given variables."""
    config = built(commands=["echo a", "echo ${{ args.N }}"], given={"args": {"N": "a b"}})
    assert config.name == "gp-p1.unpack.1"
    assert config.body["Entrypoint"] == ["sh", "-e", "-c"]
    assert config.body["Cmd"] == ['echo a\necho "${GAMEPIPELINE_ARG_N}"']
    assert config.body["WorkingDir"] == "/workspace"
    assert config.body["HostConfig"]["NetworkMode"] == "gp-p1"
    assert config.body["HostConfig"]["Mounts"] == [
        {"Type": "volume", "Source": "gp-p1.workspace", "Target": "/workspace"}
    ]
    assert env(config) == {
        "CI": "true",
        "GAMEPIPELINE": "true",
        "GAMEPIPELINE_ARG_N": "a b",
        "GAMEPIPELINE_ATTEMPT": "1",
        "GAMEPIPELINE_ID": "p1",
        "GAMEPIPELINE_NAME": "Platform Start",
        "GAMEPIPELINE_OUTPUT": "/workspace/.gamepipeline/unpack.1.out",
        "GAMEPIPELINE_STATUS": "success",
        "GAMEPIPELINE_STEP": "unpack",
    }


def test_secrets_stand_beside_the_body() -> None:
    """A secret is in no part of the body, however it came into the environment."""
    config = built(
        commands=["login ${{ secrets.S }} ${{ envs.PASS }}"],
        environment={"S": None, "URL": "x://u:${{ secrets.S }}@h", "COPY": "${{ args.A }}"},
        given={"secrets": {"S": "hunter22", "PASS": "passpass"}, "args": {"A": "says hunter22"}},
    )
    assert "hunter22" not in str(config.body)
    assert config.secrets == {
        "S": "hunter22",
        "URL": "x://u:hunter22@h",
        "COPY": "says hunter22",
        "GAMEPIPELINE_SECRET_S": "hunter22",
        "GAMEPIPELINE_ENV_PASS": "passpass",
    }


def test_an_image_is_known_early() -> None:
    """The image is rendered from args, envs and outputs, and refuses a secret."""
    wanted = step(image="reg.example/${{ args.I }}:${{ steps.a.outputs.tag }}")
    assert render_image(wanted, context(args={"I": "game"}, outputs={"a": {"tag": "1"}})) == "reg.example/game:1"
    with pytest.raises(TemplateError, match="secret"):
        render_image(step(image="${{ secrets.S }}"), context(secrets={"S": "hunter22"}))


def test_the_same_twice() -> None:
    """Same step and same context: the same configuration."""
    assert build(step(), context()) == build(step(), context())


def test_an_image_that_could_not_be_rendered() -> None:
    """An image that was scheduled as written fails with the reason why it has no value."""
    with pytest.raises(TemplateError, match="the argument 'NONE' has no value"):
        build(step(image="a:${{ args.NONE }}"), context(image="a:${{ args.NONE }}"))
