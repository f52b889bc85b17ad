"""Archives become folders, all or nothing."""

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from pet.data.archives.archives import find_archives
from pet.data.archives.unpacking import Limits, unpack
from petlib.errors import DataError, OutputError

LIMITS = Limits(total_bytes=1 << 30, ratio=200.0)


def zip_of(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tar_of(path: Path, *members: tuple[str, bytes | str, bytes]) -> Path:
    """Write a tar archive of (name, content or target of a link, tarfile's type)."""
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if isinstance(content, str):
                info.linkname = content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refused(archive: Path, target: Path, message: str, *, limits: Limits = LIMITS, force: bool = False) -> None:
    """Check the message, and that nothing has changed."""
    before = sorted(path for path in target.parent.rglob("*"))
    with pytest.raises(DataError, match=message):
        unpack([archive], target, limits=limits, force=force)
    assert sorted(path for path in target.parent.rglob("*")) == before


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.TGZ"])
def test_files_and_empty_folders_come_out(name: str, tmp_path: Path) -> None:
    files = {"img/1.jpg": b"one" * 1000, "img/deep/2.jpg": b"", "建筑/é.png": b"three"}
    path = tmp_path / name
    if name == "a.zip":
        zip_of(path, {**files, "empty/": b""})
    else:
        members = [(inside, content, tarfile.REGTYPE) for inside, content in files.items()]
        tar_of(path, *members, ("empty", b"", tarfile.DIRTYPE))
    seen: list[int] = []
    done = unpack([path], tmp_path / "new" / "out", limits=LIMITS, start=lambda archive, size: seen.append(size) or seen.append)  # type: ignore[func-returns-value]
    assert tree(tmp_path / "new" / "out") == files
    assert (tmp_path / "new" / "out" / "empty").is_dir()
    assert done == (3, 3005)
    assert seen[0] == 3005
    assert sum(seen[1:]) == 3005
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


def test_several_archives_join_a_folder_that_has_files(tmp_path: Path) -> None:
    zip_of(tmp_path / "b.zip", {"img/2.jpg": b"2"})
    tar_of(tmp_path / "a.tar", ("gt/1.png", b"1", tarfile.REGTYPE))
    (tmp_path / "notes.txt").write_text("no archive")
    target = tmp_path / "out"
    (target / "img").mkdir(parents=True)
    (target / "img" / "1.jpg").write_bytes(b"old")
    archives = find_archives(tmp_path)
    assert [path.name for path in archives] == ["a.tar", "b.zip"]
    assert unpack(archives, target, limits=LIMITS).files == 2
    assert tree(target) == {"gt/1.png": b"1", "img/1.jpg": b"old", "img/2.jpg": b"2"}


def test_sources_that_are_no_archives_are_reported(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("x")
    with pytest.raises(DataError, match=r"no archives in this folder \(\.zip, \.tar, \.tar\.gz, \.tgz\)"):
        find_archives(tmp_path)
    with pytest.raises(DataError, match="list.txt: not an archive by its name"):
        find_archives(tmp_path / "list.txt")
    with pytest.raises(DataError, match="there is no such archive"):
        find_archives(tmp_path / "missing.zip")


@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/etc/evil.txt", "..\\evil.txt", "C:\\evil.txt"])
def test_paths_that_lead_out_refuse_the_whole_archive(name: str, tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"good.txt": b"good", name: b"evil"})
    refused(archive, tmp_path / "out", r"a.zip: the member '.*evil.txt' leads out of the target folder; nothing")
    if "\\" not in name:
        archive = tar_of(tmp_path / "a.tar", ("good.txt", b"good", tarfile.REGTYPE), (name, b"evil", tarfile.REGTYPE))
        refused(archive, tmp_path / "out", r"a.tar: the member '.*evil.txt' leads out")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", "../../x"])
def test_links_that_lead_out_refuse_the_whole_archive(kind: bytes, target: str, tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "a.tar", ("good.txt", b"good", tarfile.REGTYPE), ("link", target, kind))
    refused(archive, tmp_path / "out", f"the member 'link' is a link to '{target}', which leads out of the target folder")


def test_links_of_zip_archives_are_looked_at_too(tmp_path: Path) -> None:
    for target, message in (("../../x", "leads out of the target folder"), ("b", "is no file of the archive")):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            info = zipfile.ZipInfo("img/link")
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, target)
        refused(tmp_path / "a.zip", tmp_path / "out", f"'img/link' is a link to .*{message}")


def test_links_inside_become_copies(tmp_path: Path) -> None:
    archive = tar_of(
        tmp_path / "a.tar",
        ("img/1.jpg", b"pixels", tarfile.REGTYPE),
        ("img/2.jpg", "1.jpg", tarfile.SYMTYPE),
        ("gt/3.jpg", "../img/2.jpg", tarfile.SYMTYPE),
        ("gt/4.jpg", "img/1.jpg", tarfile.LNKTYPE),
    )
    done = unpack([archive], tmp_path / "out", limits=LIMITS)
    assert tree(tmp_path / "out") == dict.fromkeys(["gt/3.jpg", "gt/4.jpg", "img/1.jpg", "img/2.jpg"], b"pixels")
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))
    assert done.size == 24


def test_links_that_lead_nowhere_or_to_folders_are_reported(tmp_path: Path) -> None:
    loop = tar_of(tmp_path / "loop.tar", ("a", "b", tarfile.SYMTYPE), ("b", "a", tarfile.SYMTYPE))
    refused(loop, tmp_path / "out", "the member 'a' is a link to 'b', which is no file of the archive")
    folder = tar_of(tmp_path / "folder.tar", ("d", b"", tarfile.DIRTYPE), ("link", "d", tarfile.SYMTYPE), ("link/x", b"x", tarfile.REGTYPE))
    refused(folder, tmp_path / "out", "the member 'link' is a link to 'd', which is no file")


def test_devices_and_files_that_hold_files_are_reported(tmp_path: Path) -> None:
    refused(tar_of(tmp_path / "a.tar", ("pipe", b"", tarfile.FIFOTYPE)), tmp_path / "out", "'pipe' is a device or a pipe")
    archive = zip_of(tmp_path / "b.zip", {"a": b"x", "a/b": b"y"})
    refused(archive, tmp_path / "out", "the member 'a/b' lies in 'a', which is a file")


def test_archives_that_explode_are_refused(tmp_path: Path) -> None:
    zeros = b"\0" * (12 << 20)
    bomb = zip_of(tmp_path / "bomb.zip", {"zeros.bin": zeros})
    refused(bomb, tmp_path / "out", r"bomb.zip: its files take more than 200 times its \d+ bytes.*--max-ratio")
    refused(bomb, tmp_path / "out", "more than 0.001 GB.*--max-size", limits=Limits(total_bytes=10**6, ratio=1e9))
    small = tar_of(tmp_path / "bomb.tar.gz", ("zeros.bin", zeros, tarfile.REGTYPE))
    refused(small, tmp_path / "out", "bomb.tar.gz: its files take more than 200 times")
    assert unpack([bomb], tmp_path / "out", limits=Limits(total_bytes=1 << 30, ratio=2000.0)).size == len(zeros)


def test_what_is_really_written_counts_where_the_header_lies(tmp_path: Path) -> None:
    zeros = b"\0" * (12 << 20)
    bomb = zip_of(tmp_path / "bomb.zip", {"zeros.bin": zeros})
    data = bomb.read_bytes()
    bomb.write_bytes(data.replace(struct.pack("<L", len(zeros)), struct.pack("<L", 1000)))
    refused(bomb, tmp_path / "out", "bomb.zip")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_names_that_would_fill_the_memory_are_refused(kind: bytes, tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "a.tar.gz", ("good", b"x", tarfile.REGTYPE), ("name", b"a" * (2 << 20), kind), ("1", b"x", tarfile.REGTYPE))
    refused(archive, tmp_path / "out", "a.tar.gz: the archive is damaged or of an unknown kind: a header of 2097152 bytes")


def test_many_links_to_one_file_count_as_often(tmp_path: Path) -> None:
    links = [(f"l{number}", "a", tarfile.LNKTYPE) for number in range(30)]
    archive = tar_of(tmp_path / "a.tar", ("a", b"\0" * (1 << 20), tarfile.REGTYPE), *links)
    refused(archive, tmp_path / "out", "take more than 2 times", limits=Limits(total_bytes=1 << 30, ratio=2.0))


def test_a_damaged_member_is_named_and_nothing_stays(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"img/1.jpg": b"good" * 50, "img/2.jpg": b"pixels" * 50}, zipfile.ZIP_STORED)
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"pixelspixels", b"pixelsPixels", 1))
    refused(archive, tmp_path / "out", "a.zip: the member 'img/2.jpg' is damaged or of an unknown kind: Bad CRC-32")


def test_archives_that_are_cut_off_or_none_are_reported(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"1.jpg": b"1" * 100})
    archive.write_bytes(archive.read_bytes()[:-30])
    refused(archive, tmp_path / "out", "a.zip: the archive is damaged or of an unknown kind: File is not a zip file")
    packed = tar_of(tmp_path / "a.tar.gz", ("1.jpg", bytes(range(256)) * 400, tarfile.REGTYPE))
    packed.write_bytes(packed.read_bytes()[:200])
    refused(packed, tmp_path / "out", "a.tar.gz: the archive is damaged")
    packed.write_bytes(gzip.compress(b"no tar"))
    refused(packed, tmp_path / "out", "a.tar.gz: the archive is damaged or of an unknown kind")


def test_encrypted_members_are_reported(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"1.jpg": b"1"})
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(bytes(data))
    refused(archive, tmp_path / "out", "the member '1.jpg' is encrypted")


def test_files_are_only_overwritten_if_asked_for(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"1.jpg": b"new", "2.jpg": b"new"})
    target = tmp_path / "out"
    target.mkdir()
    (target / "1.jpg").write_bytes(b"old")
    refused(archive, target, "out/1.jpg exists already; nothing was unpacked.*--force")
    assert tree(target) == {"1.jpg": b"old"}
    unpack([archive], target, limits=LIMITS, force=True)
    assert tree(target) == {"1.jpg": b"new", "2.jpg": b"new"}


def test_folders_are_never_replaced_by_files_nor_files_by_folders(tmp_path: Path) -> None:
    target = tmp_path / "out"
    (target / "img").mkdir(parents=True)
    (target / "gt").write_bytes(b"a file")
    refused(zip_of(tmp_path / "a.zip", {"img": b"x"}), target, "'img' would replace the folder", force=True)
    refused(zip_of(tmp_path / "b.zip", {"gt/1.png": b"x"}), target, "the folder 'gt' would replace the file", force=True)


def test_two_archives_with_one_file_are_reported(tmp_path: Path) -> None:
    archives = [zip_of(tmp_path / name, {"1.jpg": name.encode()}) for name in ("a.zip", "b.zip")]
    with pytest.raises(DataError, match=r"b.zip: the file '1.jpg' is in .*a.zip too; --force"):
        unpack(archives, tmp_path / "out", limits=LIMITS)
    unpack(archives, tmp_path / "out", limits=LIMITS, force=True)
    assert tree(tmp_path / "out") == {"1.jpg": b"b.zip"}


def test_names_in_an_old_encoding(tmp_path: Path) -> None:
    name = "建筑.jpg"
    archive = zip_of(tmp_path / "a.zip", {"xxxx.jpg": b"1"})
    archive.write_bytes(archive.read_bytes().replace(b"xxxx.jpg", name.encode("gbk")))
    unpack([archive], tmp_path / "gbk", limits=LIMITS, encoding="gbk")
    assert tree(tmp_path / "gbk") == {name: b"1"}
    unpack([archive], tmp_path / "unknown", limits=LIMITS)
    assert len(tree(tmp_path / "unknown")) == 1
    with pytest.raises(DataError, match="is not in the encoding ascii"):
        unpack([archive], tmp_path / "ascii", limits=LIMITS, encoding="ascii")


def test_a_target_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    archive = zip_of(tmp_path / "a.zip", {"1.jpg": b"1"})
    with pytest.raises(OutputError, match="cannot be written"):
        unpack([archive], tmp_path / "file" / "out", limits=LIMITS)


def test_archives_of_too_many_members_are_refused(tmp_path: Path) -> None:
    limits = Limits(total_bytes=1 << 30, ratio=200.0, files=100)
    names = {f"{number}.txt": b"" for number in range(101)}
    message = r"it has more than 100 members, each of which takes memory; if that is right, allow more with --max-files"
    refused(zip_of(tmp_path / "a.zip", names), tmp_path / "out", f"a.zip: {message}", limits=limits)
    refused(
        tar_of(tmp_path / "a.tar", *((name, b"", tarfile.REGTYPE) for name in names)), tmp_path / "out", f"a.tar: {message}", limits=limits
    )
    names.popitem()
    assert unpack([zip_of(tmp_path / "b.zip", names)], tmp_path / "b", limits=limits).files == 100
    assert (
        unpack([tar_of(tmp_path / "c.tar", *((name, b"", tarfile.REGTYPE) for name in names))], tmp_path / "c", limits=limits).files == 100
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("line\nbreak.txt", r"the name 'line\\nbreak.txt' of a member holds the character '\\n'; nothing was unpacked"),
        ("\x1b[31mred", r"holds the character '\\x1b'"),
        ("x" * 256, r"of a member is too long; at most 255 bytes a name"),
        ("a/" * 64 + "b", r"64 folders in each other"),
        ("/".join(["x" * 200] * 6), r"and 1024 bytes in all have room on a disk"),
    ],
)
def test_names_that_no_disk_and_no_list_has_room_for(name: str, message: str, tmp_path: Path) -> None:
    refused(zip_of(tmp_path / "a.zip", {name: b"x"}), tmp_path / "out", message)
    refused(tar_of(tmp_path / "a.tar", (name, b"x", tarfile.REGTYPE)), tmp_path / "out", message)


def test_names_that_are_no_text_are_reported_in_zip_and_kept_in_tar(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"é.txt": b"x"})
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xe9\xe9"))
    refused(path, tmp_path / "out", r"a.zip: the archive is damaged or of an unknown kind: 'utf-8' codec can't decode byte 0xe9")
    path = tar_of(tmp_path / "a.tar", ("\udcb1.txt", b"x", tarfile.REGTYPE))
    assert unpack([path], tmp_path / "out", limits=LIMITS).files == 1
    assert [place.name for place in (tmp_path / "out").iterdir()] == ["\udcb1.txt"]


def test_headers_of_tar_archives_that_are_no_numbers_are_reported(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"GNU.sparse.map": "0,1,x"}
        archive.addfile(info)
    refused(tmp_path / "a.tar", tmp_path / "out", r"a.tar: the archive is damaged or of an unknown kind: invalid literal for int")


def test_a_directory_that_claims_more_than_the_file_has_takes_no_memory(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"a.txt": b"x"})
    content = bytearray(path.read_bytes())
    struct.pack_into("<L", content, content.index(b"PK\x05\x06") + 12, 2**31)
    path.write_bytes(content)
    refused(path, tmp_path / "out", r"a.zip: the archive is damaged or of an unknown kind: Bad ")
