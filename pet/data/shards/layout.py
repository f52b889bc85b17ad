"""How a pack lies in files: shards of samples, each a tar with its index behind, and what holds for all of them.

========================  =============================================================================================
``shard-000000.tar``      its samples one after another, members ``000000000000.json``, ``000000000000.jpg``, ...; at its
                          end the member ``__index__`` with a row of ``SAMPLE_ROW`` for each sample
``shards.npy``            a row of ``SHARD_ROW`` for each shard
``truths.jsonl``          what evaluations know of each sample, a line of JSON each; ``truth_ends.npy`` where each ends
``labels.npy``            the classes of the samples, one after another; ``label_ends.npy`` where those of each end
``groups.npy``            ``DatasetInfo.groups``
``mesh.npz``              the mesh of surfaces
``pack.json``             version, number of samples, what holds for all, and size and CRC-32 of the files above; written last
========================  =============================================================================================

Readers of WebDataset take the shards as they are: members of a sample have its number as their name, and they leave ``__index__`` out.
"""

import io
import tarfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pet.data.catalog.entries import PACK_HEAD

VERSION = 1
HEAD, SHARDS, TRUTHS, TRUTH_ENDS = PACK_HEAD, "shards.npy", "truths.jsonl", "truth_ends.npy"
LABELS, LABEL_ENDS, GROUPS, MESH = "labels.npy", "label_ends.npy", "groups.npy", "mesh.npz"
INDEX_MEMBER = "__index__"
BLOCK = tarfile.BLOCKSIZE
SAMPLE_ROW = np.dtype([("offset", "<u8"), ("size", "<u4"), ("crc", "<u4")])
"""Where a sample begins in its shard, how many bytes it takes there with the headers of its members, and their CRC-32."""
SHARD_ROW = np.dtype([("samples", "<u4"), ("crc", "<u4"), ("size", "<u8"), ("index", "<u8")])
"""How many samples a shard has, its CRC-32, its bytes, and where the rows of its index begin."""
MOST_SAMPLE_BYTES = 2**32 - 1
EXTENSION = slice(13, None)
"""Of the name of a member, behind the number of the sample and a dot."""


def shard_name(number: int) -> str:
    """Return the file of a shard."""
    return f"shard-{number:06}.tar"


class Member(NamedTuple):
    """A file of a sample.

    Attributes:
        name: what its name has behind the number of the sample, e.g. ``jpg`` or ``boxes.npy``.
        data: its bytes.
    """

    name: str
    data: bytes | memoryview


def tar_bytes(name: str, data: bytes | memoryview) -> bytes:
    """Return a member of a tar file with its header, the same at all times and for all users."""
    head = tarfile.TarInfo(name)
    head.size, head.mode = len(data), 0o644
    return b"".join((head.tobuf(tarfile.USTAR_FORMAT), data, bytes(-len(data) % BLOCK)))


def members_of(span: memoryview) -> Iterator[Member]:
    """Yield the members of a sample from its bytes in a shard, without a copy.

    Raises:
        ValueError: these are no members of a tar.
    """
    place = 0
    while place < len(span):
        head = bytes(span[place : place + BLOCK])
        if head[257:262] != b"ustar":
            raise ValueError(f"no head of a member at byte {place}")
        name, size = head[:100].rstrip(b"\0").decode(), int(head[124:135], 8)
        begin = place + BLOCK
        if begin + size > len(span):
            raise ValueError(f"the member {name} is cut off")
        yield Member(name[EXTENSION], span[begin : begin + size])
        place = begin + size + -size % BLOCK


def npy_bytes(array: np.ndarray) -> bytes:
    """Return an array as a file of numpy."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def read_npy(data: bytes | memoryview) -> np.ndarray:
    """Return the array of a file of numpy; no pickle is read.

    Raises:
        ValueError: it is none.
    """
    array: np.ndarray = np.load(io.BytesIO(data), allow_pickle=False)
    return array
