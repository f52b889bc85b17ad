"""Checkpoints in a store of objects on the same machine: uploaded whole, found whole, and training never waits."""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from petlib.checkpoint.checkpointer import Checkpointer
from petlib.checkpoint.fetch import fetch_newer, fetch_run
from petlib.checkpoint.nodes import give_to_all_nodes
from petlib.checkpoint.stored import CheckpointStore
from petlib.checkpoint.upload import Uploader, finish_upload
from petlib.errors import OutputError, StoreError
from petlib.object_store import ObjectStore
from tests.conftest import RunRanks
from tests.object_stores import Proxy, open_store

LIMIT = 60.0


@pytest.fixture(scope="module")
def service() -> Iterator[Proxy]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch, open_store("runs", patch.setenv) as proxy:
        yield proxy


@pytest.fixture
def proxy(service: Proxy) -> Iterator[Proxy]:
    yield service
    service.fault = lambda method, path: ""


@pytest.fixture
def place(proxy: Proxy, request: pytest.FixtureRequest) -> CheckpointStore:
    return CheckpointStore(f"s3://runs/some/{request.node.name}", retry_seconds=0.5)


def open_run(place: CheckpointStore, folder: Path, keep: int = 2) -> Checkpointer:
    return Checkpointer(folder, keep=keep, uploader=Uploader(place, folder, keep=keep, timeout=LIMIT))


def save(run: Checkpointer, iteration: int, *, best: bool = False, uploaded: bool = True) -> None:
    run.save({"weight": torch.full((1000,), float(iteration)), "iteration": iteration}, iteration=iteration, best=best)
    run.wait()
    if uploaded:
        finish(run)


def finish(run: Checkpointer, seconds: float = LIMIT) -> str:
    assert run.uploader is not None
    return finish_upload(run.uploader, seconds=seconds)


def iteration_of(folder: Path, role: str = "latest") -> int:
    return int(torch.load(folder / f"model_{role}.pth", weights_only=True)["iteration"])


def objects(place: CheckpointStore) -> set[str]:
    return {item.name for item in ObjectStore().list(place.address)}


def test_a_new_folder_gets_the_newest_the_best_and_the_other_files(place: CheckpointStore, tmp_path: Path) -> None:
    run = open_run(place, tmp_path / "a")
    for iteration in (10, 20, 30, 40):
        save(run, iteration, best=iteration == 20)
    (tmp_path / "a/logs").mkdir()
    (tmp_path / "a/logs/train.log").write_text("first node")
    (tmp_path / "a/metrics.jsonl").write_text("1\n2\n")
    (tmp_path / "a/config.lock").write_text("")
    assert finish(run) == ""
    numbered = {
        f"checkpoints/00000{number}{rest}" for number, at in ((2, 20), (3, 30), (4, 40)) for rest in (".json", f"/model_iter{at}.pth")
    }
    assert objects(place) == {*numbered, "logs/train.log", "metrics.jsonl"}

    (tmp_path / "b/logs").mkdir(parents=True)
    (tmp_path / "b/logs/train.log").write_text("second")
    found = fetch_newer(place, tmp_path / "b", keep=2)
    assert found == tmp_path / "b/model_iter40.pth"
    assert iteration_of(tmp_path / "b") == 40
    assert iteration_of(tmp_path / "b", "best") == 20
    assert (tmp_path / "b/metrics.jsonl").read_text() == "1\n2\n"
    assert (tmp_path / "b/logs/train.log").read_text() == "second"
    assert (tmp_path / "b/logs/train_until_iter40.log").read_text() == "first node"
    assert fetch_newer(place, tmp_path / "b", keep=2) is None
    assert fetch_newer(place, tmp_path / "a", keep=2) is None


def test_the_folder_that_was_left_behind_gets_what_another_node_went_on_to(place: CheckpointStore, tmp_path: Path) -> None:
    first = open_run(place, tmp_path / "a")
    save(first, 10)
    save(first, 90, uploaded=False)
    assert first.uploader is not None
    assert first.uploader.wait(LIMIT)
    (tmp_path / "a/.storage.json").write_text((tmp_path / "a/.storage.json").read_text().replace('"number": 2', '"number": 1'))
    fetch_newer(place, tmp_path / "b", keep=2)
    second = open_run(place, tmp_path / "b")
    save(second, 100)
    # its iteration is larger than what the other folder had at that time, and smaller than what this one saves next
    save(second, 80)
    assert fetch_newer(place, tmp_path / "a", keep=2) == tmp_path / "a/model_iter80.pth"
    assert iteration_of(tmp_path / "a") == 80


def test_a_folder_of_before_keeps_what_is_further_and_uploads_it(place: CheckpointStore, tmp_path: Path) -> None:
    save(open_run(place, tmp_path / "a"), 10)
    plain = Checkpointer(tmp_path / "b")
    save_plain(plain, 50)
    assert fetch_newer(place, tmp_path / "b", keep=2) is None
    uploader = Uploader(place, tmp_path / "b", keep=2, timeout=LIMIT)
    uploader.offer_unknown(tmp_path / "b/model_latest.pth", iteration=50)
    assert finish_upload(uploader, seconds=LIMIT) == ""
    again = Uploader(place, tmp_path / "b", keep=2, timeout=LIMIT)
    again.offer_unknown(tmp_path / "b/model_latest.pth", iteration=50)
    assert finish_upload(again, seconds=LIMIT) == ""
    assert place.newest_number() == 2
    fetch_newer(place, tmp_path / "c", keep=2)
    assert iteration_of(tmp_path / "c") == 50


def save_plain(run: Checkpointer, iteration: int) -> None:
    run.save({"iteration": iteration}, iteration=iteration)
    run.wait()


def test_a_damaged_local_one_is_replaced_by_that_of_the_store(place: CheckpointStore, tmp_path: Path) -> None:
    save(open_run(place, tmp_path / "a"), 10)
    with (tmp_path / "a/model_iter10.pth").open("r+b") as file:
        file.truncate(100)
    assert fetch_newer(place, tmp_path / "a", keep=2) == tmp_path / "a/model_iter10.pth"
    assert iteration_of(tmp_path / "a") == 10


@pytest.mark.parametrize("fault", ["cut in the store", "changed in the store", "no manifest", "changed on the way", "no object"])
def test_what_is_not_whole_is_never_chosen(
    proxy: Proxy, place: CheckpointStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    run = open_run(place, tmp_path / "a")
    save(run, 10)
    save(run, 20)
    key, store = f"{place.address}/checkpoints/000002/model_iter20.pth", ObjectStore()
    data = store.get(key)
    if fault == "cut in the store":
        store.put(key, data[:-10])
    elif fault == "changed in the store":
        store.put(key, data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    elif fault == "no manifest":
        store.delete(f"{place.address}/checkpoints/000002.json")
    elif fault == "no object":
        store.delete(key)
    else:
        proxy.fault = lambda method, path: "change" if method == "GET" and path.endswith("iter20.pth") else ""
    assert fetch_newer(place, tmp_path / "b", keep=2) == tmp_path / "b/model_iter10.pth"
    assert iteration_of(tmp_path / "b") == 10
    assert not list((tmp_path / "b").glob(".model*"))
    reason = {
        "cut in the store": "model_iter20.pth is cut off: ",
        "changed in the store": "the checksum of model_iter20.pth is wrong",
        "changed on the way": "the checksum of model_iter20.pth is wrong",
        "no object": "model_iter20.pth is missing",
    }
    assert reason.get(fault, "") in caplog.text
    assert ("skipped" in caplog.text) == (fault != "no manifest")


def test_training_goes_on_while_the_store_is_away_and_the_newest_is_uploaded_then(
    proxy: Proxy, place: CheckpointStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = open_run(place, tmp_path / "a")
    proxy.fault = lambda method, path: "busy"
    begin = time.monotonic()
    for iteration in (10, 20, 30):
        save(run, iteration, best=iteration == 10, uploaded=False)
    assert time.monotonic() - begin < 20
    problem = finish(run, 2)
    assert problem.startswith(f"{place.address}: model_iter30.pth is not uploaded after 2 s: ")
    assert problem.endswith(f"all is in {tmp_path / 'a'}, and the same command uploads it")
    assert caplog.text.count("the upload failed and is tried again; training goes on") == 1
    proxy.fault = lambda method, path: ""
    assert finish(run) == ""
    assert "uploads work again" in caplog.text
    # the best of all is not given up for a later one
    assert {name for name in objects(place) if name.endswith(".pth")} == {
        "checkpoints/000001/model_iter10.pth",
        "checkpoints/000002/model_iter30.pth",
    }
    assert not list((tmp_path / "a/.uploading").iterdir())


def test_a_full_bucket_is_reported_and_what_was_half_uploaded_goes_later(proxy: Proxy, place: CheckpointStore, tmp_path: Path) -> None:
    run = open_run(place, tmp_path / "a")
    save(run, 10)
    proxy.fault = lambda method, path: "full" if method == "PUT" and path.endswith(".json") and "checkpoints" in path else ""
    save(run, 20, uploaded=False)
    assert "XMinioStorageFull" in finish(run, 2)
    assert "checkpoints/000002/model_iter20.pth" in objects(place)
    fetch_newer(place, tmp_path / "b", keep=2)
    assert iteration_of(tmp_path / "b") == 10
    proxy.fault = lambda method, path: ""
    assert finish(run) == ""
    newest = place.newest_number()
    assert newest > 2
    assert {name for name in objects(place) if name.endswith(".pth")} == {
        "checkpoints/000001/model_iter10.pth",
        f"checkpoints/{newest:06d}/model_iter20.pth",
    }


def test_wrong_credentials_and_places_are_one_message(proxy: Proxy, place: CheckpointStore) -> None:
    place.probe("a test")
    proxy.fault = lambda method, path: "refuse"
    with pytest.raises(StoreError, match=r"written_by\.json: the store refuses: .*AWS_ACCESS_KEY_ID"):
        place.probe("a test")
    proxy.fault = lambda method, path: ""
    with pytest.raises(StoreError, match=r"^s3://elsewhere/run: there is no such bucket"):
        CheckpointStore("s3://elsewhere/run", retry_seconds=0.5).probe("a test")
    for wrong in ("/folder", "https://example.org/run", "s3:bucket"):
        with pytest.raises(OutputError, match=rf"^CheckpointStore.address: {wrong} given, an address such as s3://bucket/prefix"):
            CheckpointStore(wrong, retry_seconds=0.5)


def test_all_of_a_run_is_fetched(place: CheckpointStore, tmp_path: Path) -> None:
    assert not fetch_run(place, tmp_path / "b")
    run = open_run(place, tmp_path / "a")
    save(run, 10)
    (tmp_path / "a/report.html").write_text("old")
    assert finish(run) == ""
    assert fetch_run(place, tmp_path / "b")
    (tmp_path / "a/report.html").write_text("longer")
    assert finish(run) == ""
    assert fetch_run(place, tmp_path / "b")
    assert (tmp_path / "b/report.html").read_text() == "longer"
    assert iteration_of(tmp_path / "b") == 10


def test_a_sharded_checkpoint_goes_there_and_back(place: CheckpointStore, tmp_path: Path) -> None:
    run = Checkpointer(tmp_path / "a", sharded=True, uploader=Uploader(place, tmp_path / "a", keep=2, timeout=LIMIT))
    save(run, 10, best=True)
    assert fetch_newer(place, tmp_path / "b", keep=2) == tmp_path / "b/model_iter10.dcp"
    there = Checkpointer(tmp_path / "b").restore({})
    assert there is not None
    assert there["iteration"] == 10
    assert Checkpointer(tmp_path / "b").has_best()


def as_nodes(folder: str, content: str) -> list[str]:
    """Act as the only rank of a node; rank 0's node has the file."""
    rank = os.environ["RANK"]
    os.environ |= {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    here = Path(folder) / rank
    here.mkdir()
    os.chdir(here)
    path = Path("run/model_latest.pth")
    if rank == "0":
        path.parent.mkdir()
        path.write_text(content)
    give_to_all_nodes(path)
    first = path.stat().st_ino
    give_to_all_nodes(path)
    assert path.stat().st_ino == first
    return [path.read_text(), *(str(name) for name in path.parent.iterdir())]


def test_each_node_gets_the_checkpoint(run_ranks: RunRanks, tmp_path: Path) -> None:
    assert run_ranks(as_nodes, 2, str(tmp_path), "weights") == [["weights", "run/model_latest.pth"]] * 2
