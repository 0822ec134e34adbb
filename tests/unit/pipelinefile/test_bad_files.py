"""Bad files and exactly what is said about them: bad/NN_name.yaml with bad/NN_name.txt beside it."""

from pathlib import Path

import pytest

from gamepipeline_projections.pipelinefile import load_file, load_text

BAD = sorted(file for file in (Path(__file__).parent / "bad").iterdir() if file.suffix in (".yaml", ".json"))


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_every_problem_with_its_place(file: Path) -> None:
    """All problems of a file, in its order, each with line, column, code and hint."""
    loaded = load_text(file.read_bytes(), file.name)
    assert loaded.format_problems() == file.with_suffix(".txt").read_text().splitlines()
    assert (loaded.pipeline is None) == bool(loaded.errors)
    assert len(loaded.errors) + len(loaded.warnings) == len(loaded.problems)


def test_there_are_many() -> None:
    """The table did not get lost."""
    assert len(BAD) >= 30


def test_the_file_is_named_as_it_was_given() -> None:
    """The name stands before each problem, whatever folder the file is in."""
    (first, *_) = load_file(BAD[0]).format_problems()
    assert first.startswith(f"{BAD[0]}:2:1: error[GP103]: ")


@pytest.mark.parametrize(
    ("path", "why"),
    [("nowhere.yaml", "No such file or directory"), (".", "Is a directory"), ("a\0b", "null byte")],
)
def test_a_file_that_cannot_be_read(path: str, why: str, tmp_path: Path) -> None:
    """That too is a problem of the file, without a line."""
    loaded = load_file(f"{tmp_path}/{path}")
    (line,) = loaded.format_problems()
    assert line.startswith(f"{tmp_path}/{path}: error[GP101]: the file cannot be read: ")
    assert why in line
    assert loaded.document is None
