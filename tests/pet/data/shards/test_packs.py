"""What was packed is read again, bit for bit, by any number and in any process."""

import dataclasses
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pet.data.catalog.entries import BUILTIN
from pet.data.datasets.shards import ShardedDataset
from pet.data.files.images import decode_image
from pet.data.files.videos import FrameSource
from pet.data.loading.joined import JoinedDataset, SomeSamples
from pet.data.loading.open_entry import open_catalog_entry
from pet.data.shards.writing import Packed, write_pack
from pet.data.targets.dataset import Dataset
from pet.structures.masks import InstanceMasks
from petlib.errors import DataError, OutputError
from tests.pet.data.shards.conftest import COUNT, EveryKind

DRAWN = ["digits", "crowds", "facets", "motions", "shapes", "streets3d", "streets3d_images", "walkers", "mannequins", "confetti"]


def assert_same(first: Any, second: Any, place: str = "sample") -> None:
    """Compare values, their types and the types of arrays."""
    if isinstance(first, FrameSource):
        numbers = np.arange(first.count)
        assert (first.count, first.stated, first.rate, first.size) == (second.count, second.stated, second.rate, second.size)
        np.testing.assert_array_equal(first.read(numbers), second.read(numbers), err_msg=place)
        return
    assert type(first) is type(second), (place, type(first), type(second))
    if isinstance(first, np.ndarray):
        assert first.dtype == second.dtype, place
        np.testing.assert_array_equal(first, second, err_msg=place)
    elif isinstance(first, dict):
        assert list(first) == list(second), place
        for key in first:
            assert_same(first[key], second[key], f"{place}.{key}")
    elif isinstance(first, InstanceMasks):
        assert_same((first.size, *first.parts()), (second.size, *second.parts()), place)
        np.testing.assert_array_equal(first.rasterise(), second.rasterise())
    elif dataclasses.is_dataclass(first):
        for field in dataclasses.fields(first):
            assert_same(getattr(first, field.name), getattr(second, field.name), f"{place}.{field.name}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), place
        for number, pair in enumerate(zip(first, second, strict=True)):
            assert_same(*pair, f"{place}.{number}")
    else:
        assert first == second or (np.isnan(first) and np.isnan(second)), (place, first, second)


def assert_same_data(packed: Dataset, read: Dataset) -> None:
    assert len(packed) == len(read)
    for index in range(len(packed)):
        assert_same(packed[index], read[index])
        assert_same(packed.truth(index), read.truth(index), "truth")
        assert_same(packed.labels_of(index), read.labels_of(index), "labels")


def test_samples_of_every_kind_come_back_bit_for_bit(every_kind: EveryKind, tmp_path: Path) -> None:
    packed = write_pack(every_kind, str(tmp_path / "pack"), source={}, shard_bytes=100_000)
    assert packed.samples == COUNT and packed.shards > 2
    read = ShardedDataset(tmp_path / "pack")
    assert_same_data(every_kind, read)
    assert_same(dataclasses.replace(every_kind.info, category_ids=[1, 2]), dataclasses.replace(read.info, category_ids=[1, 2]), "info")
    again = pickle.loads(pickle.dumps(read))
    assert_same(read[COUNT - 1], again[COUNT - 1])
    assert_same(read[-1], read[COUNT - 1])


def test_targets_that_are_not_asked_for_are_left_out(every_kind: EveryKind, tmp_path: Path) -> None:
    write_pack(every_kind, str(tmp_path / "pack"), source={})
    read = ShardedDataset(tmp_path / "pack", kinds=frozenset({"boxes"}))
    assert sorted(read[0]) == ["boxes", "clip", "image", "image2", "labels", "meta", "points"]
    with pytest.raises(DataError, match="no density in these data; they have boxes"):
        ShardedDataset(tmp_path / "pack", kinds=frozenset({"density"}))


def test_shards_are_tars_that_other_programs_read(every_kind: EveryKind, tmp_path: Path) -> None:
    write_pack(every_kind, str(tmp_path / "pack"), source={}, shard_bytes=100_000)
    with tarfile.open(tmp_path / "pack" / "shard-000000.tar") as file:
        names = file.getnames()
        image = file.extractfile("000000000001.jpg")
        assert image is not None
        # the bytes of the file, not a second encoding
        assert image.read() == (every_kind.folder / "1.jpg").read_bytes()
        label_map = file.extractfile("000000000001.semseg.png")
        assert label_map is not None
        np.testing.assert_array_equal(decode_image(label_map.read(), name="", unchanged=True)[..., 0], every_kind[1]["semseg"])
    assert names[0] == "000000000000.json" and names[-1] == "__index__"
    keys = [name.partition(".")[0] for name in names[:-1]]
    assert keys == sorted(keys), "the members of a sample follow each other"


def test_packing_twice_writes_the_same_bytes(every_kind: EveryKind, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_pack(every_kind, str(tmp_path / name), source={}, shard_bytes=100_000)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert [(tmp_path / "two" / name).read_bytes() for name in files] == [(tmp_path / "one" / name).read_bytes() for name in files]
    with pytest.raises(OutputError, match=r"^write_pack.place .*pack.json: a file, but a folder for the results expected; name another$"):
        write_pack(every_kind, str(tmp_path / "one" / "pack.json"), source={}, shard_bytes=100_000)
    with pytest.raises(OutputError, match="one: there are files already"):
        write_pack(every_kind, str(tmp_path / "one"), source={})


def test_shards_of_joined_and_chosen_samples_are_known(every_kind: EveryKind, tmp_path: Path) -> None:
    write_pack(every_kind, str(tmp_path / "pack"), source={}, shard_bytes=150_000)
    read = ShardedDataset(tmp_path / "pack")
    starts = read.shard_starts()
    assert starts[0] == 0 and len(starts) > 2 and (np.diff(starts) > 0).all()
    joined = JoinedDataset(["a", "b"], [read, read], ["label"]).shard_starts()
    assert joined is not None and joined.tolist() == [*starts, *(starts + COUNT)]
    # one sample of the first shard, all of the last
    some = SomeSamples(read, np.array([0, *range(starts[-1], COUNT)])).shard_starts()
    assert some is not None and some.tolist() == [0, 1]
    assert SomeSamples(read, np.array([3, 1])).shard_starts() is None
    assert SomeSamples(every_kind, np.array([0])).shard_starts() is None


def test_a_shard_that_is_cut_off_or_changed_is_named_with_the_sample(every_kind: EveryKind, tmp_path: Path) -> None:
    place = tmp_path / "pack"
    write_pack(every_kind, str(place), source={}, shard_bytes=10**9)
    shard, whole = place / "shard-000000.tar", (place / "shard-000000.tar").read_bytes()
    middle = len(whole) // 2
    shard.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    wrong = []
    for index in range(COUNT):
        try:
            ShardedDataset(place)[index]
        except DataError as error:
            wrong.append(str(error))
    assert len(wrong) == 1 and f"{place}/shard-000000.tar, sample " in wrong[0] and "the shard was changed after it was packed" in wrong[0]
    shard.write_bytes(whole[:middle])
    with pytest.raises(DataError, match=r"shard-000000.tar, sample 0: the shard was cut off: [\d,]+ bytes, and the index says"):
        ShardedDataset(place)[0]
    shard.unlink()
    with pytest.raises(DataError, match=r"shard-000000.tar, sample 3: .*the shard cannot be read: No such file"):
        ShardedDataset(place)[3]


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"", "not the head of a pack"),
        (b"[1]", "not the head of a pack"),
        (json.dumps({"version": 9, "files": {}}).encode(), "a pack of version 9, and 1 can be read"),
        (json.dumps({"version": 1, "files": {}}).encode(), "it does not say how large shards.npy is"),
    ],
)
def test_a_head_that_is_none_is_refused(tmp_path: Path, head: bytes, message: str) -> None:
    (tmp_path / "pack.json").write_bytes(head)
    with pytest.raises(DataError, match=message):
        ShardedDataset(tmp_path)


def test_a_record_that_no_pack_wrote_runs_nothing(every_kind: EveryKind, tmp_path: Path) -> None:
    write_pack(every_kind, str(tmp_path / "pack"), source={})
    head = json.loads((tmp_path / "pack" / "pack.json").read_text())
    array = {"~": "array", "dtype": "O", "shape": [], "values": []}
    for info in ({"~": "os.system", "fields": {}}, {"~": "DatasetInfo", "fields": {"kind": 1}}, array):
        (tmp_path / "pack" / "pack.json").write_text(json.dumps({**head, "info": info}))
        with pytest.raises(DataError):
            ShardedDataset(tmp_path / "pack")


@pytest.mark.nightly
@pytest.mark.parametrize("name", DRAWN)
def test_all_data_that_pet_draws_come_back(name: str, tmp_path: Path) -> None:
    dataset = open_catalog_entry(BUILTIN[f"{name}_test"], tmp_path / "data")
    some = SomeSamples(dataset, np.arange(min(20, len(dataset))))
    assert write_pack(some, str(tmp_path / "pack"), source={}, shard_bytes=10**5) > Packed(0, 0, 0)
    assert_same_data(some, ShardedDataset(tmp_path / "pack"))
