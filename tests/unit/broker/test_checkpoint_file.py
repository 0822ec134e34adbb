"""The checkpoint's file: absent, whole or refused."""

from pathlib import Path

import pytest

from gamepipeline_engine.broker.checkpoint import Checkpoint, load, save
from gamepipeline_engine.broker.errors import CheckpointUnreadable, StateFolderUnusable

REALM = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def test_no_file_is_no_checkpoint(tmp_path: Path) -> None:
    """The first start has seen nothing."""
    assert load(tmp_path / "checkpoint.json") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b'{"realm": "x", "last_seq": 1, "last_hash": ""}',
        b'{"realm": "%s", "last_seq": "1", "last_hash": ""}' % REALM.encode(),
        b'{"realm": "%s", "last_seq": true, "last_hash": ""}' % REALM.encode(),
        b'{"realm": "%s", "last_seq": -1, "last_hash": ""}' % REALM.encode(),
        b'{"realm": "%s", "last_seq": 1, "last_hash": null}' % REALM.encode(),
    ],
)
def test_what_we_did_not_write_is_refused(tmp_path: Path, content: bytes) -> None:
    """A damaged checkpoint never counts as none: that would hide what it was for."""
    path = tmp_path / "checkpoint.json"
    path.write_bytes(content)
    with pytest.raises(CheckpointUnreadable) as caught:
        load(path)
    assert caught.value.path == path
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """Saving below a file names the folder and the fix."""
    (tmp_path / "file").touch()
    with pytest.raises(StateFolderUnusable):
        save(tmp_path / "file" / "checkpoint.json", Checkpoint(REALM))
