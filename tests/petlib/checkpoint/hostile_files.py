"""Files that pass for weights and were made to do harm."""

import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch


class _Call:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


def _zipped(path: Path, pickled: bytes, compression: int = zipfile.ZIP_STORED, **records: bytes) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", b"3\n")
        for name, content in records.items():
            archive.writestr(f"archive/{name}", content)


def command(path: Path) -> None:
    """A pickle that makes the file ``made`` next to it."""
    path.write_bytes(pickle.dumps({"model": _Call(f"touch {path.parent / 'made'}")}, protocol=2))


def zipped_command(path: Path) -> None:
    """The same in an archive."""
    _zipped(path, pickle.dumps({"model": _Call(f"touch {path.parent / 'made'}")}, protocol=2))


def bomb(path: Path) -> None:
    """A gigabyte of zeros in a megabyte."""
    _zipped(path, b"\0" * 10**9, zipfile.ZIP_DEFLATED)


def overlapping(path: Path) -> None:
    """Ten thousand records that share one content."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\0" * 10**6)
        first = archive.infolist()[0]
        archive.filelist.extend([first] * 9999)


def large_claim(path: Path) -> None:
    """A tensor of 2**60 elements, all of them the same."""
    torch.save({"backbone.conv1.weight": torch.zeros(1).expand(2**60)}, path)


def old_large_claim(path: Path) -> None:
    """A storage of 2**60 elements in the old format."""
    sink = io.BytesIO()
    torch.save({"x": torch.zeros(77)}, sink, _use_new_zipfile_serialization=False)
    path.write_bytes(sink.getvalue().replace(b"K\x4d", b"\x8a\x08" + (2**60).to_bytes(8, "little")))


def deep_tuples(path: Path) -> None:
    """A name of 200,000 tuples in each other, whose hash would end the process."""
    _zipped(path, b"\x80\x02}N" + b"\x85" * 200_000 + b"K\x01s.")


def deep_lists(path: Path) -> None:
    """200,000 lists in each other."""
    _zipped(path, b"\x80\x02}X\x01\x00\x00\x00a" + b"]" * 200_000 + b"a" * 199_999 + b"s.")


def doubling_lists(path: Path) -> None:
    """Fifty lists, each of which holds the one before twice."""
    doubled = b"".join(b"]q" + bytes([n]) + (b"h" + bytes([n - 1]) + b"a") * 2 for n in range(1, 50))
    _zipped(path, b"\x80\x02}X\x01\x00\x00\x00a(]q\x00" + doubled + b"ts.")


def sparse(path: Path) -> None:
    """A tensor that claims more elements than it has."""
    tensor = torch.sparse_coo_tensor(torch.tensor([[0], [0]]), torch.ones(1), (2**30, 2**20), check_invariants=True)
    torch.save({"backbone.conv1.weight": tensor}, path)


def tar(path: Path) -> None:
    """The format of torch 0.1, with a member that leads out of the folder."""
    with tarfile.open(path, "w") as archive:
        for name in ("../made", "sys_info", "pickle", "tensors", "storages"):
            member = tarfile.TarInfo(name)
            member.size = 3
            archive.addfile(member, io.BytesIO(b"abc"))


def text(path: Path) -> None:
    """Not a checkpoint at all."""
    path.write_text("<!DOCTYPE html>\n<title>404 Not Found</title>\n")


def pipe(path: Path) -> None:
    """A pipe, into which nothing is written."""
    os.mkfifo(path)


def link(path: Path) -> None:
    """A link to a file that holds something else."""
    path.symlink_to("/etc/passwd")


def cut(path: Path) -> None:
    """Half of a file."""
    torch.save({"x": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])


def safetensors_claim(path: Path) -> None:
    """A header that claims more than the file has."""
    header = b'{"x":{"dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,4]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)


def safetensors_header(path: Path) -> None:
    """A header of an exabyte."""
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")
