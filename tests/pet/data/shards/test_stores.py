"""Packs in a real store on loopback: the same samples, in workers too, a cache for all processes, and faults that are reported."""

import errno
import logging
import multiprocessing
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from pet.data.datasets.list_file import ListFile
from pet.data.datasets.shards import ShardedDataset
from pet.data.files.images import read_image
from pet.data.loading.joined import SomeSamples
from pet.data.loading.sampling import FetchAhead
from pet.data.shards.reading import READING
from pet.data.shards.writing import write_pack
from petlib.data.build import TrainLoaderSettings, build_train_loader
from petlib.data.lane_sampler import LaneSampler
from petlib.data.shard_sampler import ShardSampler
from petlib.data.train_batches import TrainBatches
from petlib.errors import DataError, StoreError, WorkerError
from petlib.object_store import ObjectStore
from tests.object_stores import Proxy
from tests.pet.data.shards.conftest import COUNT, EveryKind
from tests.pet.data.shards.test_packs import assert_same, assert_same_data

PACK = "s3://data/pack"


@pytest.fixture(scope="module")
def packed(store: Proxy, tmp_path_factory: pytest.TempPathFactory) -> EveryKind:
    """Pack the small data set into the store, five shards or so."""
    dataset = EveryKind(tmp_path_factory.mktemp("files"))
    assert write_pack(dataset, PACK, source={}, shard_bytes=120_000).shards > 3
    return dataset


@pytest.fixture(autouse=True)
def no_fault(store: Proxy) -> Iterator[None]:
    store.forget()
    yield
    store.fault = lambda method, path: ""


def bytes_of_shards(store: Proxy) -> int:
    return sum(count for path, count in store.sent.items() if path.endswith(".tar"))


def size_of_pack() -> int:
    return sum(item.size for item in ObjectStore().list(PACK) if item.name.endswith(".tar"))


def cache(tmp_path: Path, *, gigabytes: float, grouped: bool = False) -> None:
    READING.set(folder=str(tmp_path / "cache"), gigabytes=gigabytes, retry_seconds=1.0, grouped=grouped)


def test_a_pack_in_a_store_gives_the_same_samples_from_its_cache(packed: EveryKind, store: Proxy) -> None:
    assert_same_data(packed, ShardedDataset(PACK))
    assert bytes_of_shards(store) == size_of_pack(), "every shard was fetched once"
    store.forget()
    assert_same_data(packed, ShardedDataset(PACK))
    assert bytes_of_shards(store) == 0


def test_without_a_cache_samples_are_read_one_by_one(packed: EveryKind, store: Proxy, tmp_path: Path) -> None:
    cache(tmp_path, gigabytes=0)
    read = ShardedDataset(PACK)
    assert_same(packed[5], read[5])
    assert sum(store.requests["GET", path] for _, path in store.requests if path.endswith(".tar")) == 2, "the index of its shard, and it"
    assert not list((tmp_path / "cache").glob("*/*.tar"))
    assert_same(packed[6], read[6])


def loader_of(dataset: ShardedDataset, folder: Path, *, workers: int, group: int, iterations: int = 6) -> list[list[int]]:
    """Return the numbers of the samples of each batch."""
    settings = TrainLoaderSettings(
        batch_size=4,
        num_workers=workers,
        timeout=60,
        seed=3,
        accumulation=1,
        epochwise=False,
        prefetch=2,
        shuffle=True,
        on_error="raise",
        max_error_share=0.1,
        folder=folder,
    )
    sampler = ShardSampler(dataset.shard_starts(), len(dataset), group=group, seed=3)
    only = lambda sample, rng: {"label": sample["label"], "meta": {"id": int(sample["meta"]["id"])}}  # noqa: E731 -- forked, not pickled
    loader = build_train_loader(
        settings, dataset, torch.device("cpu"), sampler=sampler, transforms=only, ahead=FetchAhead(sampler, dataset)
    )
    batches = loader.batches(0, iterations)
    numbers = [[meta["id"] for meta in batch["meta"]] for batch in batches]
    batches.close()
    return numbers


def test_workers_that_are_forked_after_a_first_look_read_the_same_order(packed: EveryKind, store: Proxy, tmp_path: Path) -> None:
    cache(tmp_path, gigabytes=1, grouped=True)
    dataset = ShardedDataset(PACK)
    # the checks before a training read in this process
    assert dataset[0]["label"] == 0
    alone = loader_of(dataset, tmp_path, workers=0, group=2)
    assert loader_of(dataset, tmp_path, workers=2, group=2) == alone
    assert sorted(sum(alone[:3], [])) == list(range(COUNT)), "an epoch has every sample once"
    assert bytes_of_shards(store) == size_of_pack(), "one of all processes fetched each shard"


def read_all(folder: str, gigabytes: float) -> int:
    READING.set(folder=folder, gigabytes=gigabytes, retry_seconds=5.0, grouped=True)
    dataset = ShardedDataset(PACK)
    return sum(int(dataset[index]["label"]) for index in range(len(dataset)))


def test_processes_share_a_small_cache_while_shards_are_removed(packed: EveryKind, store: Proxy, tmp_path: Path) -> None:
    largest = max(item.size for item in ObjectStore().list(PACK))
    with multiprocessing.get_context("fork").Pool(3) as pool:
        sums = pool.starmap(read_all, [(str(tmp_path / "cache"), largest * 2.5 / 10**9)] * 3)
    assert sums == [COUNT // 2] * 3
    kept = [path for path in (tmp_path / "cache").glob("*/*") if path.suffix != ".unfinished"]
    assert sum(path.stat().st_size for path in kept) <= largest * 2.5
    assert not list((tmp_path / "cache").glob("*/*.unfinished"))


def test_a_process_that_is_killed_in_a_download_leaves_nothing_wrong(packed: EveryKind, store: Proxy, tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=read_all, args=(str(tmp_path / "cache"), 1.0))

    def kill(method: str, path: str) -> str:
        if path.endswith("shard-000001.tar"):
            process.kill()
            return "drop"
        return ""

    store.fault = kill
    process.start()
    process.join(60)
    assert process.exitcode == -9
    store.fault = lambda method, path: ""
    assert_same_data(packed, ShardedDataset(PACK))


@pytest.mark.parametrize("gigabytes", [1.0, 0.0])
def test_bytes_that_are_changed_on_the_way_are_fetched_again(packed: EveryKind, store: Proxy, tmp_path: Path, gigabytes: float) -> None:
    cache(tmp_path, gigabytes=gigabytes)
    seen: list[str] = []

    def once(method: str, path: str) -> str:
        if path.endswith(".tar") and path not in seen:
            seen.append(path)
            return "change"
        return ""

    dataset = ShardedDataset(PACK)
    assert_same(packed[1], dataset[1])
    store.fault = once
    cache(tmp_path / "other", gigabytes=gigabytes)
    assert_same_data(packed, ShardedDataset(PACK))
    assert len(seen) > 3


@pytest.mark.parametrize(("fault", "gigabytes"), [("change", 1.0), ("cut", 1.0), ("change", 0.0), ("cut", 0.0)])
def test_a_shard_that_stays_wrong_is_named_with_the_sample(
    packed: EveryKind, store: Proxy, tmp_path: Path, fault: str, gigabytes: float
) -> None:
    cache(tmp_path, gigabytes=gigabytes)
    dataset = ShardedDataset(PACK)
    store.fault = lambda method, path: fault if path.endswith("shard-000002.tar") else ""
    sample = int(dataset.shard_starts()[2])
    said = {"change": "changed after it was packed", "cut": "cut off"}[fault]
    with pytest.raises(DataError, match=f"s3://data/pack/shard-000002.tar, sample {sample}: .*{said}"):
        dataset[sample]
    assert 2 <= sum(count for (_, path), count in store.requests.items() if path.endswith("shard-000002.tar")) <= 6, (
        "tried again, not for ever"
    )
    assert_same(packed[0], dataset[0])


def test_a_lost_connection_and_a_busy_server_are_outlived(packed: EveryKind, store: Proxy, tmp_path: Path) -> None:
    READING.set(folder=str(tmp_path / "cache"), gigabytes=1.0, retry_seconds=20.0, grouped=False)
    left = {"busy": 3, "drop": 2}

    def sometimes(method: str, path: str) -> str:
        fault = next((name for name, count in left.items() if count), "")
        if fault and path.endswith(".tar"):
            left[fault] -= 1
            return fault
        return ""

    store.fault = sometimes
    assert_same_data(packed, ShardedDataset(PACK))
    assert left == {"busy": 0, "drop": 0}


@pytest.mark.parametrize(
    ("fault", "message"), [("busy", "the store gave no answer in 1 s of trying"), ("refuse", "the store refuses: .*AWS_ACCESS_KEY_ID")]
)
def test_a_store_that_does_not_answer_ends_the_run_even_where_bad_samples_are_skipped(
    packed: EveryKind, store: Proxy, tmp_path: Path, fault: str, message: str
) -> None:
    dataset = ShardedDataset(PACK)
    store.fault = lambda method, path: fault if path.endswith("shard-000000.tar") else ""
    with pytest.raises(StoreError, match=f"s3://data/pack/shard-000000.tar, sample 0: .*{message}"):
        dataset[0]
    store.fault = lambda method, path: fault
    with pytest.raises(StoreError, match=f"pack.json: {message}"):
        ShardedDataset(PACK)


def test_an_error_in_a_worker_keeps_its_message(packed: EveryKind, store: Proxy, tmp_path: Path) -> None:
    dataset = ShardedDataset(PACK)
    store.fault = lambda method, path: "refuse"
    with pytest.raises((StoreError, WorkerError), match=r"shard-00000\d.tar, sample \d+: .*the store refuses"):
        loader_of(dataset, tmp_path, workers=2, group=2)


def test_a_place_without_a_pack_says_what_is_expected(store: Proxy) -> None:
    with pytest.raises(DataError, match=r"s3://data/nothing/pack.json: there is no such object; pet-pack writes it last"):
        ShardedDataset("s3://data/nothing")


def test_a_full_disk_is_reported_once_and_samples_come_from_the_store(
    packed: EveryKind, store: Proxy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = ShardedDataset(PACK)
    # nothing can be written below a file
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("")
    with caplog.at_level(logging.WARNING):
        assert_same(packed[0], dataset[0])
        assert_same(packed[COUNT - 1], dataset[COUNT - 1])
    warnings = [record.getMessage() for record in caplog.records if "the cache of shards cannot be written" in record.getMessage()]
    assert len(warnings) == 1 and "samples are read from the store one by one instead" in warnings[0]
    assert warnings[0].startswith(f"{PACK}/shard-000000.tar, sample 0: ")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder that takes 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    # a reader may still have a shard open
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up_in_a_download_is_reported_with_shard_and_sample_and_no_sample_is_left_out(
    packed: EveryKind, small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    READING.set(folder=str(small_disk), gigabytes=1.0, retry_seconds=1.0, grouped=True)
    dataset = ShardedDataset(PACK)
    with caplog.at_level(logging.WARNING):
        for index in range(COUNT):
            assert_same(packed[index], dataset[index])
    warnings = [record.getMessage() for record in caplog.records if "the cache of shards cannot be written" in record.getMessage()]
    assert len(warnings) == 1
    assert re.match(rf"{PACK}/shard-\d+\.tar, sample \d+: {small_disk}: .*No space left on device", warnings[0])
    assert not list(small_disk.glob("*/*.unfinished"))


def test_a_full_disk_under_prefetch_is_reported_with_the_shard_and_no_sample_is_left_out(
    packed: EveryKind, store: Proxy, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache(tmp_path, gigabytes=1, grouped=True)
    dataset = ShardedDataset(PACK)
    threads: list[str] = []

    def full(self: ObjectStore, url: str, path: Path, *, most: int) -> None:
        threads.append(threading.current_thread().name)
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(ObjectStore, "download", full)
    with caplog.at_level(logging.WARNING):
        numbers = loader_of(dataset, tmp_path, workers=0, group=2, iterations=COUNT // 4)
    assert sorted(sum(numbers, [])) == list(range(COUNT))
    assert "shards-ahead" in threads, "shards were fetched before they were needed"
    warnings = [record.getMessage() for record in caplog.records if "the cache of shards cannot be written" in record.getMessage()]
    assert len(warnings) == 1
    assert re.match(rf"{PACK}/shard-\d+\.tar, sample \d+: .*No space left on device; samples are read from the store", warnings[0])
    assert not list((tmp_path / "cache").glob("*/*.unfinished"))


def test_two_nodes_fetch_the_data_once_together(store: Proxy, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    written = write_pack(SomeSamples(Many(files), np.arange(160)), "s3://data/lanes", source={}, shard_bytes=20_000)
    store.forget()
    read: list[int] = []
    for node in range(2):
        READING.set(folder=str(tmp_path / f"node{node}"), gigabytes=1.0, retry_seconds=1.0, grouped=True)
        dataset = ShardedDataset("s3://data/lanes")
        sampler = LaneSampler(dataset.shard_starts(), len(dataset), lanes=4, group=2, batch_size=8, seed=3)
        batches = TrainBatches(sampler, batch_size=8, rank=node, world_size=2, epochwise=True)
        keys = [key for keys in batches.keys(0, batches.iterations_per_epoch) for key in keys]
        read += [int(dataset[key.index]["meta"]["id"]) for key in keys]
    assert sorted(read) == list(range(160))
    # the shard that the cut goes through is read by both
    assert bytes_of_shards(store) <= (1 + 1 / written.shards) * written.size * 1.05


def test_a_cache_smaller_than_a_shard_is_refused(packed: EveryKind, store: Proxy, tmp_path: Path) -> None:
    cache(tmp_path, gigabytes=1e-6, grouped=True)
    dataset = ShardedDataset(PACK)
    with pytest.raises(ValueError, match=r"ShardCache.most_bytes: a file of [\d,]+ bytes is to be cached and 1,000 are allowed"):
        dataset[0]


class Many(EveryKind):
    """640 small samples."""

    def __len__(self) -> int:
        return 640

    def __getitem__(self, index: int) -> dict[str, object]:
        pixels = np.random.default_rng(index).integers(0, 255, (40, 40, 3), dtype=np.uint8)
        return {"image": pixels, "label": index % 2, "meta": {"id": index}}


def test_an_epoch_fetches_every_shard_once_with_a_cache_of_two_groups(store: Proxy, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    written = write_pack(Many(files), "s3://data/many", source={}, shard_bytes=20_000)
    cache(tmp_path, gigabytes=0.1 * written.size / 10**9, grouped=True)
    dataset = ShardedDataset("s3://data/many")
    store.forget()
    numbers = loader_of(dataset, tmp_path, workers=2, group=8, iterations=160)
    assert sorted(sum(numbers, [])) == list(range(640))
    assert bytes_of_shards(store) <= 1.05 * written.size


def test_single_files_in_a_store_are_read_by_their_address(store: Proxy, tmp_path: Path) -> None:
    files = EveryKind(tmp_path)
    objects = ObjectStore()
    for number in range(2):
        objects.upload(files.folder / f"{number}.jpg", f"s3://data/photos/{number}.jpg")
    objects.put("s3://data/photos/list.txt", b"0.jpg cat\n1.jpg dog\n")
    # a path loses a slash of its address
    images = ListFile(path=Path("s3://data/photos/list.txt"))
    np.testing.assert_array_equal(images[1]["image"], files[1]["image"])
    assert images[1]["label"] == 1
    with pytest.raises(DataError, match="s3://data/photos/none.jpg: the image cannot be read: there is no such object"):
        read_image("s3://data/photos/none.jpg")
    store.fault = lambda method, path: "refuse"
    with pytest.raises(StoreError, match="s3://data/photos/0.jpg: the store refuses"):
        read_image("s3://data/photos/0.jpg")
