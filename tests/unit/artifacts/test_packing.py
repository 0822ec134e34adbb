"""From a tree that may be hostile to an archive that is not."""

from __future__ import annotations

import hashlib
import io
import secrets
import tarfile
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamepipeline_engine.artifacts.packing import MAX_LISTING, MAX_NAME, NotKept, Packed, Packer
from gamepipeline_engine.artifacts.patterns import Patterns
from gamepipeline_engine.artifacts.tar import BadArchive, TarReader

Entry = tuple[str, bytes | tarfile.TarInfo]


def tree(*entries: Entry, form: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive as a daemon sends it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, what in entries:
            entry = what if isinstance(what, tarfile.TarInfo) else tarfile.TarInfo(name)
            entry.name = name
            if isinstance(what, bytes):
                entry.size = len(what)
            archive.addfile(entry, io.BytesIO(what) if isinstance(what, bytes) else None)
    return buffer.getvalue()


def special(kind: bytes, target: str = "") -> tarfile.TarInfo:
    """An entry that is no file."""
    entry = tarfile.TarInfo("x")
    entry.type, entry.linkname = kind, target
    return entry


async def pieces(content: bytes, size: int = 700) -> AsyncIterator[bytes]:
    """As it arrives."""
    for at in range(0, len(content), size):
        yield content[at : at + size]


async def pack(
    content: bytes, *patterns: str, most_bytes: int = 2**20, most_files: int = 10
) -> tuple[Packed, dict[str, tuple[int, bytes]]]:
    """The files of a workspace, packed, and what another reader finds in the archive: mode and content."""
    target = io.BytesIO()
    packer = Packer(target, most_bytes=most_bytes, most_files=most_files)
    packed = await packer.pack(Patterns(patterns), lambda _path: pieces(content), "/workspace")
    assert (len(target.getvalue()), hashlib.sha256(target.getvalue()).hexdigest()) == (packed.size, packed.sha256)
    target.seek(0)
    found = {}
    with tarfile.open(fileobj=target, mode="r:") as archive:
        for entry in archive:
            assert (entry.uid, entry.gid, entry.mtime) == (0, 0, 0)
            if not entry.isdir():
                assert entry.isreg()
                file = archive.extractfile(entry)
                found[entry.name] = (entry.mode, file.read() if file else b"")
    return packed, found


async def test_files_and_their_hashes() -> None:
    """What is meant, with its content; modes are reduced to what any user may do."""
    run = tarfile.TarInfo("x")
    run.mode, run.size = 0o4755, 0
    content = tree(("workspace/a.txt", b"A" * 1000), ("workspace/b.bin", b""), ("workspace/run.txt", run))
    packed, found = await pack(content, "*.txt")
    assert found == {"a.txt": (0o666, b"A" * 1000), "run.txt": (0o777, b"")}
    assert [(one.name, one.size, one.executable) for one in packed.files] == [
        ("a.txt", 1000, False),
        ("run.txt", 0, True),
    ]
    assert packed.files[0].sha256 == hashlib.sha256(b"A" * 1000).hexdigest()


async def test_names_below_a_folder() -> None:
    """The daemon names members from the last part of the path on; here they are below the workspace again."""
    _, found = await pack(tree(("c/d.txt", b"x"), ("c/e/f.txt", b"y")), "a/b/c")
    assert sorted(found) == ["a/b/c/d.txt", "a/b/c/e/f.txt"]


async def test_a_single_file() -> None:
    """The daemon sends it under its own name."""
    _, found = await pack(tree(("d.txt", b"x")), "a/d.txt")
    assert sorted(found) == ["a/d.txt"]


async def test_a_list_that_no_message_could_hold() -> None:
    """Names are measured as they are written down: some characters take several bytes."""
    files = [(f"workspace/{n:05d}{'😀' * 40}.txt", b"") for n in range(MAX_LISTING // 160)]
    with pytest.raises(NotKept, match="the list of the files takes more than"):
        await pack(tree(*files), "*.txt", most_files=len(files))


@pytest.mark.parametrize(
    "entry",
    [
        special(tarfile.SYMTYPE, "/etc/passwd"),
        special(tarfile.SYMTYPE, "../../etc"),
        special(tarfile.LNKTYPE, "/etc/shadow"),
        special(tarfile.CHRTYPE),
        special(tarfile.BLKTYPE),
        special(tarfile.FIFOTYPE),
        special(tarfile.CONTTYPE),
        special(b"Z"),
    ],
    ids=["link", "link out", "hard link", "device", "block device", "pipe", "contiguous", "unknown"],
)
async def test_what_is_no_file_is_passed_over(entry: tarfile.TarInfo) -> None:
    """Links are not followed and devices are not opened; what is beside them is kept."""
    _, found = await pack(tree(("workspace/evil", entry), ("workspace/good", b"x")), "**")
    assert sorted(found) == ["good"]


@pytest.mark.parametrize(
    "name",
    [
        "workspace/a/../../etc/x",
        "workspace/..",
        "workspace//x",
        "workspace/a\nb",
        "workspace/\x1b[2J",
        "workspace/a/./b",
    ],
)
async def test_names_that_cannot_be_kept(name: str) -> None:
    """Nothing leads out of the workspace, and nothing a terminal would act upon goes on record."""
    with pytest.raises(NotKept, match="cannot be kept"):
        await pack(tree((name, b"x")), "**")


async def test_bytes_that_are_no_text() -> None:
    """A name that is no UTF-8 cannot be put on record."""
    content = tree(("workspace/a\udcff", b"x"), form=tarfile.GNU_FORMAT)
    with pytest.raises(NotKept, match="cannot be kept"):
        await pack(content, "**")


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
async def test_long_names(form: int) -> None:
    """Names that need a header of their own, in either way of writing them; too long ones are refused."""
    name = "/".join(["d" * 100] * 4) + "/ü"
    _, found = await pack(tree((f"workspace/{name}", b"x"), form=form), "**")
    assert list(found) == [name]
    with pytest.raises(NotKept, match="cannot be kept"):
        await pack(tree((f"workspace/{'n' * (MAX_NAME + 1)}", b"x"), form=form), "**")


async def test_limits() -> None:
    """Bytes and files together; what is exactly the limit is kept."""
    content = tree(*((f"workspace/{place}", b"x" * 100) for place in range(10)))
    packed, _ = await pack(content, "**", most_bytes=1000)
    assert len(packed.files) == 10
    with pytest.raises(NotKept, match="more than 999 bytes"):
        await pack(content, "**", most_bytes=999)
    with pytest.raises(NotKept, match="more than 9 files"):
        await pack(content, "**", most_files=9)


async def test_a_size_is_refused_before_its_content() -> None:
    """A file that is too large is not read: its content may never end."""
    head = tarfile.TarInfo("workspace/huge")
    head.size = 2**40
    with pytest.raises(NotKept):
        await pack(head.tobuf(), "**")


def cut(content: bytes) -> bytes:
    """The end of the last file is missing."""
    return content[:1500]


def wrong_checksum(content: bytes) -> bytes:
    """A header that was changed."""
    return content[:10] + b"?" + content[11:]


def wrong_records(content: bytes) -> bytes:
    """An extended header that is none."""
    return content.replace(b" path=", b"9path=", 1)


@pytest.mark.parametrize("damage", [cut, wrong_checksum, wrong_records])
async def test_damage_is_said(damage: Callable[[bytes], bytes]) -> None:
    """An archive that ends early or makes no sense is no archive."""
    content = damage(tree(("workspace/" + "n" * 200, b"x" * 2000)))
    with pytest.raises(BadArchive):
        await pack(content, "**")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000), st.integers(1, 1000))
async def test_any_bytes_are_answered(content: bytes, size: int) -> None:
    """Whatever arrives: members, the end, or BadArchive."""
    reader = TarReader(pieces(content, size))
    try:
        while await reader.next() is not None:
            pass
    except BadArchive:
        pass


async def test_nothing_is_held_in_memory() -> None:
    """A large file goes through in pieces: nothing that is written is larger than what arrives."""

    class Target(io.BytesIO):
        largest = 0

        def write(self, data: object, /) -> int:
            self.largest = max(self.largest, len(data))  # type: ignore[arg-type]
            return len(data)  # type: ignore[arg-type]

    async def arriving() -> AsyncIterator[bytes]:
        entry = tarfile.TarInfo("big")
        entry.size = 200 * 2**20
        yield entry.tobuf()
        piece = secrets.token_bytes(2**16)
        for _ in range(entry.size // len(piece)):
            yield piece
        yield b"\0" * 1024

    target = Target()
    packed = await Packer(target, most_bytes=2**30, most_files=1).pack(
        Patterns(["big"]), lambda _: arriving(), "/workspace"
    )
    assert packed.files[0].size == 200 * 2**20
    assert target.largest <= 2**16
