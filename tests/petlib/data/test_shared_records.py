import multiprocessing
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from petlib import distributed
from petlib.data.records import share_arrays, share_records
from petlib.errors import DataError, OutputError

RECORDS = [{"file": f"{number}.png", "boxes": np.full((number % 3, 4), number)} for number in range(50)]


@pytest.fixture
def temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_records_are_a_sequence_of_equal_copies(temporary_folder):
    records = share_records(lambda: iter(RECORDS))
    assert len(records) == 50
    assert records[3]["file"] == records[-47]["file"] == "3.png"
    assert np.array_equal(records[2]["boxes"], RECORDS[2]["boxes"])
    assert [record["file"] for record in records] == [record["file"] for record in RECORDS]
    assert [record["file"] for record in records[10:0:-5]] == ["10.png", "5.png"]
    records[0]["file"] = "changed"
    assert records[0]["file"] == "0.png"
    with pytest.raises(IndexError, match="record 50 of 50"):
        records[50]


def test_there_may_be_no_records(temporary_folder):
    records = share_records(list)
    assert list(records) == []


def test_the_file_is_private_and_gone_afterwards(temporary_folder):
    modes = []

    def build():
        modes.extend(path.stat().st_mode & 0o777 for path in temporary_folder.iterdir())
        yield 1

    records = share_records(build)
    assert modes == [0o600]
    assert list(temporary_folder.iterdir()) == []
    assert records[0] == 1


def test_an_error_of_build_leaves_no_file(temporary_folder):
    def build():
        yield 1
        raise DataError("annotations.json is empty")

    with pytest.raises(DataError, match=r"^annotations.json is empty$"):
        share_records(build)
    assert list(temporary_folder.iterdir()) == []


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_full_disk_is_named(temporary_folder, monkeypatch, size):
    path = temporary_folder / "records"
    path.touch()
    monkeypatch.setattr(tempfile, "mkstemp", lambda prefix: (os.open("/dev/full", os.O_WRONLY), str(path)))
    with pytest.raises(OutputError, match=f"cannot be written into the temporary folder {temporary_folder}: No space left.*TMPDIR"):
        share_records(lambda: ["x" * size])
    assert list(temporary_folder.iterdir()) == []


def _send_file(records, index, pipe):
    pipe.send(records[index]["file"])


def test_forked_workers_read_the_same_buffer(temporary_folder):
    records = share_records(lambda: RECORDS)
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    worker = context.Process(target=_send_file, args=(records, 17, writer))
    worker.start()
    assert reader.recv() == "17.png"
    worker.join(10)
    assert worker.exitcode == 0


def share_over_ranks(folder):
    tempfile.tempdir = folder
    builds = []

    def build():
        builds.append(distributed.rank())
        return RECORDS

    records = share_records(build)
    return builds, [record["file"] for record in records], len(list(Path(folder).iterdir()))


def test_one_rank_builds_and_all_read(run_ranks, tmp_path):
    files = [record["file"] for record in RECORDS]
    results = run_ranks(share_over_ranks, 3, str(tmp_path))
    assert [builds for builds, _, _ in results] == [[0], [], []]
    assert all(read == files for _, read, _ in results)
    assert list(tmp_path.iterdir()) == []


class OddError(DataError):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def fail_over_ranks(folder):
    tempfile.tempdir = folder
    raised = []
    for error in (DataError("no annotations"), KeyError("images"), OddError("a", "b")):

        def build(error=error):
            raise error

        try:
            share_records(build)
        except Exception as caught:  # noqa: BLE001 -- the test compares what arrives
            raised.append((type(caught).__name__, str(caught)))
    return raised


def test_an_error_of_build_is_raised_on_every_rank(run_ranks, tmp_path):
    first, second = run_ranks(fail_over_ranks, 2, str(tmp_path))
    assert first == [("DataError", "no annotations"), ("KeyError", "'images'"), ("OddError", "a and b")]
    assert second == [*first[:2], ("DataError", "a and b")]
    assert list(tmp_path.iterdir()) == []


def _array_of_ranks():
    arrays = share_arrays(lambda: {"squares": np.arange(5.0) ** 2, "name": np.frombuffer(b"abc", np.uint8)})
    return arrays["squares"].tolist(), arrays["name"].tobytes(), sorted(arrays), share_arrays(dict)


def test_arrays_are_shared_and_cannot_be_written(temporary_folder, run_ranks):
    assert _array_of_ranks() == ([0.0, 1.0, 4.0, 9.0, 16.0], b"abc", ["name", "squares"], {})
    assert list(temporary_folder.iterdir()) == []
    shared = share_arrays(lambda: {"empty": np.zeros((0, 2)), "numbers": np.arange(6).reshape(2, 3).T})
    assert shared["empty"].shape == (0, 2)
    assert shared["numbers"].tolist() == [[0, 3], [1, 4], [2, 5]]
    with pytest.raises(ValueError, match="read-only"):
        shared["numbers"][0, 0] = 1
    assert run_ranks(_array_of_ranks, 2) == [_array_of_ranks()] * 2
