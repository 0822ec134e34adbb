"""The node's configuration file."""

from pathlib import Path

import pytest

from gamepipeline_engine.config import Config, ConfigError, load_config, parse_config


def test_no_file_is_the_defaults() -> None:
    """Without a file everything has its default and the node is named after its host."""
    config = load_config(None, {}, host_name="gpu 1.example.com")
    assert config == Config().named("gpu-1")
    assert config.node.served == ("default", "gpu-1")


def test_a_misspelt_key_names_the_right_one() -> None:
    """An unknown key is an error that names the file, the key and the one that was meant."""
    with pytest.raises(ConfigError, match=r"^n.toml: unknown key 'node.capacty': did you mean 'capacity'\?$"):
        parse_config("[node]\ncapacty = 3", "n.toml")


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """A file that was asked for and is not there is an error; the usual place may be empty."""
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "none.toml", {})
    assert load_config(None, {"XDG_CONFIG_HOME": str(tmp_path)}, host_name="a").node.name == "a"
