"""Archives changed by chance are unpacked below their folder, or refused with a message."""

import io
import random
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import strategies as st

from pet.data.archives.archives import find_archives
from pet.data.archives.unpacking import Limits, unpack
from tests.faults.conftest import Happened
from tests.faults.fuzz import COUNTS, assert_survives, generate
from tests.faults.mutations import mutated

FILES = {"images/1.jpg": b"\xff\xd8one", "images/2.jpg": b"two" * 2000, "labels/train.txt": b"1 2\n", "é/建.png": b"\x89PNG"}
NAMES = [
    *("../up.txt", "/absolute.txt", "C:\\drive.txt", "a/../../up.txt", "..", ".", "", "/", "a//b", "a\\..\\..\\up", "images", "~/x"),
    *("nul\0.txt", "line\nbreak.txt", "\x1b[31mred", "x" * 300, "a/" * 600 + "b", "a/" * 60 + "b", "-rf", "IMAGES/1.JPG", " ", "é"),
    "images/1.jpg/below",
]
TARGETS = ["../../etc/passwd", "/etc/passwd", "images/1.jpg", "loop", "2.jpg", "", ".", "x" * 5000, "images"]
ZIP_TOKENS = [
    *(b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"\xff\xff\xff\xff", b"\xff\xff", b"\0\0\0\0"),
    *(b"\x01\x00\x18\x00", b"\x08\x00", b"\x0c\x00", b"\x0e\x00", b"\x5d\x00", b"\x00\x08", b"\x01\x00", b"\0", b"../", b"/"),
]
TAR_TOKENS = [
    *(b"../", b"/", b"\0" * 512, b"77777777777\0", b"\x80" + b"\xff" * 11, b"ustar\x0000"),
    *(bytes([kind]) for kind in b"LKxgS123"),
]
TAR_KINDS = [
    *(tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, b"?"),
]
PAX_HEADERS = [
    *({}, {"size": "-1"}, {"size": "x"}, {"path": "../../up"}, {"GNU.sparse.map": "0,1,x"}, {"GNU.sparse.major": "1"}),
]
LIMITS = Limits(total_bytes=100 << 20, ratio=50.0, files=1000)


def odd_zip(chance: int) -> bytes:
    """Return a zip archive with odd names, links, doubled and lying members."""
    rng = random.Random(chance)
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in rng.sample([*FILES.items()], rng.randrange(1, 5)):
            archive.writestr(name, content, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)))
        for _ in range(rng.randrange(3)):
            info = zipfile.ZipInfo("odd")
            # not by its constructor, which fixes names
            info.filename = rng.choice(NAMES)
            info.external_attr = rng.choice((0, stat.S_IFLNK | 0o777, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR)) << 16
            info.compress_type = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
            archive.writestr(info, rng.choice((b"", b"x", rng.choice(TARGETS).encode(), b"\0" * 10**6)))
        for info in archive.filelist:
            if rng.random() < 0.1:
                info.file_size = rng.choice((0, 1, 2**31, 2**62))
            if rng.random() < 0.05:
                info.flag_bits ^= rng.choice((1, 8, 0x40, 0x800))
            if rng.random() < 0.05:
                info.compress_type = rng.choice((0, 8, 9, 12, 14, 99))
        if rng.random() < 0.05:
            archive.filelist.extend(archive.filelist[:1] * 2000)
    return sink.getvalue()


def odd_tar(chance: int) -> bytes:
    """Return a tar archive with odd names, links, devices and headers."""
    rng = random.Random(chance)
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT))) as archive:
        for name, content in rng.sample([*FILES.items()], rng.randrange(1, 5)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for _ in range(rng.randrange(3)):
            info = tarfile.TarInfo(rng.choice([*NAMES, *FILES])[:90])
            info.type, info.linkname = rng.choice(TAR_KINDS), rng.choice(TARGETS)[:90]
            info.size = rng.choice((0, 0, 512, 2**30))
            info.pax_headers = rng.choice(PAX_HEADERS)
            # addfile refuses a size without a content since Python 3.13
            header = info.tobuf(archive.format, archive.encoding, archive.errors)
            archive.fileobj.write(header)
            archive.offset += len(header)
    return sink.getvalue()


def samples() -> tuple[bytes, bytes]:
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    with tarfile.open(fileobj=tarred, mode="w:gz") as tar:
        for name, content in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return zipped.getvalue(), tarred.getvalue()


def unzip(path: Path) -> None:
    target = path.parent / "target" / "deep"
    shutil.rmtree(target.parent, ignore_errors=True)
    before = {*path.parent.rglob("*")}
    try:
        unpack(find_archives(path), target, limits=LIMITS)
    finally:
        after = {place for place in path.parent.rglob("*") if target not in (place, *place.parents)} - before - {target.parent}
        assert not after, f"it wrote {after}"
        assert not any(place.is_symlink() for place in path.parent.rglob("*")), "it made links"


@pytest.mark.fault("let-in", "mutated zip archives")
@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("count", COUNTS)
def test_zips(count: int, tmp_path: Path, happened: Happened) -> None:
    inputs = generate(st.integers(0, 2**64).map(odd_zip) | mutated([samples()[0]], ZIP_TOKENS), count)
    outcome = assert_survives(inputs, unzip, tmp_path, name="input.zip")
    assert outcome.succeeded > count // 20
    assert outcome.refused > count // 4
    happened(str(outcome))


@pytest.mark.fault("let-in", "mutated tar archives")
@pytest.mark.parametrize("count", COUNTS)
def test_tars(count: int, tmp_path: Path, happened: Happened) -> None:
    odd = st.integers(0, 2**64).map(odd_tar)
    inputs = generate(odd | odd.flatmap(lambda tar: mutated([tar], TAR_TOKENS)) | mutated([samples()[1]], TAR_TOKENS), count)
    outcome = assert_survives(inputs, unzip, tmp_path, name="input.tar")
    assert outcome.succeeded > count // 20
    assert outcome.refused > count // 4
    happened(str(outcome))
