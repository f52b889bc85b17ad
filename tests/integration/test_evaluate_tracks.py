"""The command line that measures tracks."""

import json
from pathlib import Path

import pytest

from pet.commands.evaluate_tracks import describe
from pet.evaluation.track_files import evaluate_track_files, total
from petlib.errors import ConfigError, DataError
from tests.integration.conftest import Run


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two sequences: one person who is found as two tracks, and one who is found next to a distractor that is found too."""
    truth, results = tmp_path / "truth", tmp_path / "results"
    write(truth / "MOT17-02" / "gt" / "gt.txt", [f"{frame},1,10,10,20,40,1,1,1" for frame in range(1, 11)])
    write(results / "MOT17-02.txt", [f"{frame},{1 + (frame > 5)},10,10,20,40,0.9,-1,-1,-1" for frame in range(1, 11)])
    both = [line for frame in range(1, 5) for line in (f"{frame},1,10,10,20,40,1,1,1", f"{frame},2,90,10,20,40,0,8,1")]
    write(truth / "MOT17-04" / "gt" / "gt.txt", both)
    write(results / "MOT17-04.txt", [line for frame in range(1, 5) for line in (f"{frame},5,10,10,20,40,1", f"{frame},6,90,10,20,40,1")])
    return truth, results


def test_rules_of_benchmarks(folders: tuple[Path, Path]) -> None:
    by_files, by_mot15 = (evaluate_track_files(*folders, benchmark=name) for name in ("", "MOT15"))
    figures = [results["MOT17-04"].sums["pedestrian"].figures() for results in (by_files, by_mot15)]
    assert [own["FP"] for own in figures] == [0, 4], "MOT15 has no distractors"
    combined = total(list(by_files.values()))["pedestrian"].figures()
    assert combined["MOTA"] == pytest.approx(13 / 14) and combined["IDF1"] == pytest.approx(9 / 14)
    lines = list(describe(by_files))
    assert lines[-2] == "1 break of identities by cause: border 1"
    assert lines[-1] == "1 break of identities by time without a match: next frame 1"


def test_own_classes_count_by_themselves(tmp_path: Path) -> None:
    write(tmp_path / "t" / "a" / "gt" / "gt.txt", ["1,1,10,10,20,40,1,1,1", "1,2,90,10,20,40,1,2,1"])
    write(tmp_path / "t" / "a" / "gt" / "labels.txt", ["car", "bus"])
    write(tmp_path / "r" / "a.txt", ["1,1,10,10,20,40,1,1,-1,-1", "1,2,90,10,20,40,1,1,-1,-1"])
    sums = total(list(evaluate_track_files(tmp_path / "t", tmp_path / "r").values()))
    assert {name: (own.figures()["TP"], own.figures()["FP"]) for name, own in sums.items()} == {"car": (1, 1), "bus": (0, 0), "all": (1, 1)}


def test_sequences_without_anything_and_frames_far_away_are_ordinary(tmp_path: Path) -> None:
    box = "10,10,20,40,1,1,1"
    write(tmp_path / "t" / "a" / "gt" / "gt.txt", [f"{frame},1,{box}" for frame in (1, 3, 9_000_000)])
    write(tmp_path / "r" / "a.txt", [f"1,7,{box}", f"3,7,{box}", f"9000000,8,{box}", f"9000001,8,{box}"])
    for name, truth, results in (("b", [], [f"2,1,{box}"]), ("c", [], [])):
        write(tmp_path / "t" / name / "gt" / "gt.txt", truth)
        write(tmp_path / "r" / f"{name}.txt", results)
    found = evaluate_track_files(tmp_path / "t", tmp_path / "r")
    figures = {name: result.sums["pedestrian"].figures() for name, result in found.items()}
    assert (figures["a"]["TP"], figures["a"]["FP"], figures["a"]["IDSW"]) == (3, 1, 1)
    (only,) = found["a"].breaks["pedestrian"]
    assert (only.frame, only.gap) == (9_000_000, 9_000_000 - 3 - 1)
    assert (figures["b"]["FP"], figures["c"]["FP"]) == (1, 0)


def test_mistakes_are_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    truth, results = folders
    with pytest.raises(ConfigError, match="benchmark: 'MOT18' given, one of MOT15, MOT16, MOT17, MOT20 expected"):
        evaluate_track_files(truth, results, benchmark="MOT18")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no annotations; <sequence>/gt/gt.txt or <sequence>.txt expected"):
        evaluate_track_files(tmp_path / "empty", results)
    with pytest.raises(DataError, match=r"no MOT17-02.txt, the results of the sequence MOT17-02"):
        evaluate_track_files(truth, tmp_path / "empty")
    write(truth / "MOT17-09" / "seqinfo.ini", ["[Sequence]"])
    with pytest.raises(DataError, match=r"MOT17-09/gt/gt.txt: there is no such file, but other sequences of .*truth have it"):
        evaluate_track_files(truth, results)
    (truth / "MOT17-09" / "seqinfo.ini").unlink()
    write(results / "MOT17-02.txt", ["1,1,10,10,20,40,0.9,-1,-1,-1"] * 2)
    with pytest.raises(DataError, match="the id 1 occurs 2 times in frame 1; once expected"):
        evaluate_track_files(truth, results)


def test_the_command_prints_a_table_and_writes_everything(folders: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    truth, results = folders
    options = ["--truth", truth, "--results", results]
    done = run("data/evaluate_tracks.py", *options, "--out", tmp_path / "x" / "figures.json").succeeded()
    assert "HOTA" in done.output and "combined" in done.output and "1 break of identities by cause" in done.output
    record = json.loads((tmp_path / "x" / "figures.json").read_text())
    assert record["combined"]["pedestrian"]["IDSW"] == 1 and record["breaks"][0]["frame"] == 6
    done = run("data/evaluate_tracks.py", "--truth", truth, "--results", tmp_path / "nowhere")
    assert done.code == 2 and "nowhere: there is no such folder" in done.output
