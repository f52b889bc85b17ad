import dataclasses
import shutil
from pathlib import Path

import pytest

from pet.cluster import engines, records
from pet.cluster.job import ClusterJob, Target, check_batch, check_name, node_folder, parse_nodes, storage_of
from pet.cluster.node import is_failure, launcher_words, make_private, read_ending, write_ending
from pet.cluster.package import Package
from pet.commands import jobs, submit
from petlib.errors import ConfigError, OutputError


def job_of(storage: Path, **changes: object) -> ClusterJob:
    job = ClusterJob("a-train-1", "a", "train", ("--cfg", "x.yaml"), "/code", str(storage))
    return dataclasses.replace(job, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["slurm", "slurm:gpu", "local"])
def test_targets(text: str) -> None:
    assert str(Target.parse(text)) == text


@pytest.mark.parametrize("text", ["", "slrm", "local:a", "kubernetes:a"])
def test_other_targets_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"--on {text}: .* expected"):
        Target.parse(text)


def test_a_store_has_the_results_and_each_node_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    job = ClusterJob("a-train-1", "a", "train", ("--cfg", "x.yaml"), "/code", storage_of("s3://bucket/jobs/"))
    assert job.results == "s3://bucket/jobs/a/run"
    assert job.folder == Path("/code/ckpts/jobs/a/jobs/a-train-1")
    assert job.run_folder.parts[-2:] == ("a", "run")
    assert job.run_folder.is_relative_to(node_folder())
    words = launcher_words(job, nodes=1, node_rank=0, endpoint="")
    assert words[-2:] == [f"MISC.CKPT={job.run_folder}", "MISC.STORAGE=s3://bucket/jobs/a/run"]
    other = ClusterJob("a-train-1", "a", "train", (), "/code", "s3://other/jobs")
    assert other.run_folder != job.run_folder


def test_a_storage_is_a_folder_or_a_store_that_can_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PET_STORAGE", raising=False)
    assert storage_of(None) == str(tmp_path / "ckpts" / "jobs") and storage_of("here") == str(tmp_path / "here")
    assert storage_of("gs://bucket/a/") == "gs://bucket/a"
    monkeypatch.setenv("PET_STORAGE", "s3://bucket")
    assert storage_of(None) == "s3://bucket"
    for text in ("https://example.org/jobs", "ftp://host/jobs"):
        monkeypatch.setenv("PET_STORAGE", text)
        for given, place in ((text, "--storage"), (None, "PET_STORAGE")):
            with pytest.raises(ConfigError, match=f"^{place} {text}: a folder that all nodes .* an address such as s3://bucket/prefix"):
                storage_of(given)
    for scheme in ("s3", "gs"):
        monkeypatch.setenv("PET_STORAGE", f"{scheme}://")
        with pytest.raises(ConfigError, match=f"^PET_STORAGE {scheme}://: the bucket is missing, {scheme}://bucket/prefix expected$"):
            storage_of(None)


def test_the_folder_of_a_nodes_runs_is_private(tmp_path: Path) -> None:
    make_private(tmp_path / "runs")
    assert (tmp_path / "runs").stat().st_mode & 0o777 == 0o700
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OutputError, match="it is no folder of this user; name another place for this node's runs with TMPDIR"):
        make_private(tmp_path / "link")


def test_numbers_of_nodes() -> None:
    assert parse_nodes("2") == (2, 2)
    assert parse_nodes("1-4") == (1, 4)
    for text in ("0", "4-1", "two", "1-", "-1", "0-2"):
        with pytest.raises(ConfigError, match="a number from 1 on, or MIN-MAX expected"):
            parse_nodes(text)


def test_a_batch_fits_every_number_of_nodes() -> None:
    check_batch(64, (1, 2), 8)
    with pytest.raises(ConfigError, match="64 cannot be divided by 3 nodes x 8 processes; with 1, 2, 4 nodes it can"):
        check_batch(64, (1, 4), 8)
    with pytest.raises(ConfigError, match="60 cannot be divided by 2 nodes x 8 processes; choose a multiple of 16"):
        check_batch(60, (2, 2), 8)


@pytest.mark.parametrize("name", ["", "a/b", "../a", "a b", ".hidden", "模型"])
def test_a_name_is_a_name_of_a_folder(name: str) -> None:
    with pytest.raises(ConfigError, match="--name: .* given, a name of letters"):
        check_name(name, place="--name")


def test_the_command_of_a_node_is_the_launchers(tmp_path: Path) -> None:
    words = launcher_words(job_of(tmp_path, gpus_per_node=8), nodes=2, node_rank=1, endpoint="n1:29500")
    assert words[3:] == [
        *("--nproc", "8", "--nnodes", "2", "--node_rank", "1", "--rdzv_endpoint", "n1:29500"),
        *("--cfg", "x.yaml", f"MISC.CKPT={tmp_path}/a/run"),
    ]
    assert launcher_words(job_of(tmp_path), nodes=1, node_rank=0, endpoint="")[3:] == ["--cfg", "x.yaml", f"MISC.CKPT={tmp_path}/a/run"]
    export = ClusterJob("a", "a", "export", ("--cfg", "x"), "/code", str(tmp_path), gpus_per_node=1)
    assert launcher_words(export, nodes=1, node_rank=0, endpoint="")[3:] == ["--cfg", "x", f"MISC.CKPT={tmp_path}/a/run"]


def test_endings(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    assert read_ending(job) is None
    write_ending(job, 143)
    assert read_ending(job) == 143
    assert [code for code in (0, 1, 2, 129, 130, 134, 137, 143) if is_failure(code)] == [1, 134, 137]


def test_records_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert records.all_records() == []
    first, second = job_of(tmp_path), ClusterJob("a-train-2", "a", "train", (), "/code", str(tmp_path))
    records.remember(first, Target("slurm", "gpu"), "17")
    records.remember(second, Target("local"), "1")
    (tmp_path / "cache" / "pet" / "jobs" / "damaged.json").write_text("{")
    assert [record.job for record in records.all_records()] == [first, second]
    assert records.find("a").job == second
    assert (records.find("a-train-1").target, records.find("a-train-1").number) == (Target("slurm", "gpu"), "17")
    with pytest.raises(ConfigError, match=r"there is no job 'b'"):
        records.find("b")


def test_a_local_job_that_is_gone_ended_as_it_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    record = records.remember(job_of(tmp_path), Target("local"), "4194305")
    assert engines.state(record) == "lost"
    for code, state in ((0, "done"), (143, "stopped"), (1, "failed"), (2, "failed")):
        write_ending(record.job, code)
        assert engines.state(record) == state
    later = records.remember(job_of(tmp_path, id="b-train-1", name="b"), Target("local"), "4194305")
    records.remember_ending(record, 2)
    assert [one.job.id for one in records.all_records()] == [record.job.id, later.job.id]
    shutil.rmtree(record.job.folder)
    # who asks without a folder hears what the command that followed it said
    assert engines.state(records.find(record.job.id)) == "failed" and engines.state(record) == "lost"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "folder"], "a cluster takes a config"),
        (["--cfg", "x", "--nnodes", "2"], "--nnodes and --on: the cluster says this on each node"),
        (["--cfg", "x", "MISC.CKPT=there"], "MISC.CKPT and --on: the results go to <storage>/<name>/run"),
        (["SOLVER.X=1"], "--cfg PATH is missing"),
        (["--cfg", "x", "MISC.STORAGE=s3://b/x"], "MISC.STORAGE and --on: the results go to <storage>/<name>/run"),
        (["--cfg", "x", "--name", "a/b"], "--name: 'a/b' given"),
        (["--cfg", "/etc/hostname"], "--cfg /etc/hostname: what is sent is the folder"),
        (["--cfg", "x", "--nproc", "2", "--gpus_per_node", "4"], "leave one of the two out"),
    ],
)
def test_mistakes_on_the_command_line(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert submit.main("train", lambda given: None, ["--on", "slurm", *words]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_a_run_comes_from_the_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "cfgs" / "vision" / "my net.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("")
    seen: list[list[str]] = []

    def check(given: object) -> None:
        seen.append(list(given))  # type: ignore[call-overload]

    assert submit.main("train", check, ["--cfg", str(config), "--on", "local", "--dry_run", "A.B=1"]) == 0
    assert seen == [["--cfg", str(config), "A.B=1", "MISC.DEVICE=cpu"]]
    printed = capsys.readouterr().out
    assert "train of vision-my_net on local: 1 node(s), 1 process(es) on each" in printed
    assert f"results: {tmp_path}/ckpts/jobs/vision-my_net/run" in printed
    assert "'cfgs/vision/my net.yaml'" in printed
    assert not (tmp_path / "ckpts").exists()


def test_a_config_of_pet_gives_the_same_name_without_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--cfg", "vision/digits/resnet20_digits.yaml", "--on", "local", "--dry_run"]
    assert submit.main("train", lambda given: None, words) == 0
    assert "train of vision-digits-resnet20_digits on local" in capsys.readouterr().out


def test_a_storage_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "storage").write_text("a file")
    job = job_of(tmp_path / "storage")
    with pytest.raises(OutputError, match=f"^ClusterJob.storage {job.storage}: a file, but a folder for the results expected"):
        engines.submit(job, Target("local"), Package(tmp_path, {}, {}))


def test_a_dry_run_finds_out_whether_the_storage_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "net.yaml").touch()
    in_file = f"--storage {tmp_path}/file: a file, but a folder for the results expected"
    for given, variable, said in (("/proc/x", "", "--storage /proc/x: "), ("", "/proc/x", "PET_STORAGE /proc/x: "), ("file", "", in_file)):
        monkeypatch.setenv("PET_STORAGE", variable)
        words = ["--cfg", "net.yaml", "--on", "local", "--dry_run", *(["--storage", given] if given else [])]
        assert submit.main("train", lambda given: None, words) == 2
        assert capsys.readouterr().err.startswith(f"error: {said}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "mine"], "pet-jobs list mine: list takes no name"),
        (["stop", "mine", "--out", "here"], "pet-jobs stop --out here: only fetch writes a folder"),
        (["follow"], "pet-jobs follow NAME: which job"),
        (["fetch", "mine"], "there is no job 'mine'"),
        (
            ["fetch", "mine", "--out", "s3://bucket/x"],
            "argument --out: s3://bucket/x: an address given",
        ),
    ],
)
def test_mistakes_about_jobs(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["pet-jobs", *words])
    with pytest.raises(SystemExit, match="2"):
        jobs.main()
    assert message in capsys.readouterr().err
