"""Nothing let in: archives that were made to do harm leave nothing behind but one message of the real command."""

import io
import stat
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import Happened
from tests.faults.fuzz import run_limited


def _zip(path: Path, *members: tuple[str, bytes], mode: int = 0) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo("x")
            # not by its constructor, which fixes names
            info.filename, info.external_attr, info.compress_type = name, mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def _tar(path: Path, name: str, kind: bytes, link: str = "", size: int = 0) -> None:
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, size
        archive.addfile(info, io.BytesIO(b"\0" * size))


def parent_path(path: Path) -> None:
    _zip(path, ("images/1.jpg", b"1"), ("../../up.txt", b"x"))


def absolute_path(path: Path) -> None:
    _zip(path, (str(path.parent / "up.txt"), b"x"))


def windows_path(path: Path) -> None:
    _zip(path, ("..\\..\\up.txt", b"x"))


def link_out(path: Path) -> None:
    _zip(path, ("link", b"../../../etc/passwd"), mode=stat.S_IFLNK | 0o777)


def line_break(path: Path) -> None:
    _zip(path, ("a\n/etc/passwd", b"x"))


def long_path(path: Path) -> None:
    _zip(path, ("a/" * 5000 + "b", b"x"))


def bomb(path: Path) -> None:
    _zip(path, *((f"{number}.bin", b"\0" * 10**8) for number in range(3)))


def overlapping(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"\0" * 10**7)
        archive.filelist.extend(archive.filelist * 9999)


def many(path: Path) -> None:
    """Three million empty members, 150 MB."""
    member = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    count = 3_000_000
    with path.open("wb") as file:
        for _ in range(300):
            file.write(member * (count // 300))
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(member) * count, 0, 0))


def encrypted(path: Path) -> None:
    _zip(path, ("a", b"x"))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


def no_archive(path: Path) -> None:
    path.write_text("<!DOCTYPE html>\n")


def tar_parent(path: Path) -> None:
    _tar(path, "../up.txt", tarfile.REGTYPE)


def tar_link(path: Path) -> None:
    _tar(path, "link", tarfile.SYMTYPE, "/etc/passwd")


def tar_hard_link(path: Path) -> None:
    _tar(path, "link", tarfile.LNKTYPE, "../../etc/passwd")


def tar_device(path: Path) -> None:
    _tar(path, "null", tarfile.CHRTYPE)


def tar_bomb(path: Path) -> None:
    _tar(path, "zeros", tarfile.REGTYPE, size=3 * 10**8)


CASES: list[tuple[Callable[[Path], None], str, str]] = [
    (parent_path, "x.zip", "leads out of the target folder"),
    (absolute_path, "x.zip", "leads out of the target folder"),
    (windows_path, "x.zip", "leads out of the target folder"),
    (link_out, "x.zip", "which leads out of the target folder"),
    (line_break, "x.zip", "holds the character '\\n'"),
    (long_path, "x.zip", "of a member is too long"),
    (bomb, "x.zip", "as those of archives do that are made to fill disks"),
    (overlapping, "x.zip", "as those of archives do that are made to fill disks"),
    (many, "x.zip", "it has more than 1,000,000 members"),
    (encrypted, "x.zip", "is encrypted"),
    (no_archive, "x.zip", "File is not a zip file"),
    (tar_parent, "x.tar.gz", "leads out of the target folder"),
    (tar_link, "x.tar.gz", "which leads out of the target folder"),
    (tar_hard_link, "x.tar.gz", "which leads out of the target folder"),
    (tar_device, "x.tar.gz", "is a device or a pipe"),
    (tar_bomb, "x.tar.gz", "as those of archives do that are made to fill disks"),
]
IN_CI = (parent_path, overlapping, tar_link)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.fault("let-in", "an archive made to do harm")
@pytest.mark.parametrize(
    ("make", "name", "message"), [pytest.param(*case, marks=() if case[0] in IN_CI else pytest.mark.nightly) for case in CASES]
)
def test_nothing_is_unpacked(make: Callable[[Path], None], name: str, message: str, tmp_path: Path, happened: Happened) -> None:
    make(tmp_path / name)
    begun = time.monotonic()
    done = run_limited("tools/data/unzip.py", tmp_path / name, "--out", tmp_path / "target" / "deep", folder=tmp_path)
    printed = done.stdout + done.stderr
    assert done.returncode == 2, printed[-5000:]
    assert message in " ".join(printed.split()), printed[-5000:]
    assert "Traceback" not in printed
    assert {path.name for path in tmp_path.rglob("*")} <= {name, "target"}
    happened(f"exit code 2 within {time.monotonic() - begun:.0f} s, nothing written")
