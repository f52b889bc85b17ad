"""Jobs for a cluster: what is checked before anything is sent. ``tests/integration/test_train_job.py`` runs one."""

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pet.cluster import engines, records
from pet.cluster.job import ClusterJob, Target
from pet.cluster.node import INSIDE, JobMistakeError, write_ending
from pet.cluster.package import LIMIT_BYTES
from pet.compat.aiearth import aie
from pet.compat.aiearth.cloud import trainer as cloud
from pet.compat.aiearth.cloud.trainer import JobCloudWrap
from petlib.errors import ConfigError, DataError, DeviceError, StoreError, UserError
from tests.pet.compat.aiearth.image_files import write_pairs
from tests.pet.compat.aiearth.test_job import ChangeJob


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    yield
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data and a script, which is the one that runs."""
    write_pairs(tmp_path, [f"p{number}" for number in range(8)], size=64)
    (tmp_path / "job.py").write_text("the script")
    main = ModuleType("__main__")
    main.__file__ = str(tmp_path / "job.py")
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", ["job.py", "--fast"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("PET_CLUSTER", "PET_STORAGE", INSIDE, "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def wrapped(folder: Path, job: ChangeJob | None = None, **changes: Any) -> JobCloudWrap:
    arguments: dict[str, Any] = {"model_name": "change_0.1", "code_dir": folder, "desc": "from sdk", **changes}
    return JobCloudWrap(job or ChangeJob(folder), **arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_name": "a/b"}, "JobCloudWrap: model_name: 'a/b' given"),
        ({"gpu_num": 0}, "JobCloudWrap: gpu_num: 0 given, a number from 1 on expected"),
        ({"gpu_num": True}, "gpu_num: True given"),
        ({"onnx_shape": (64,)}, r"onnx_shape: \(64,\) given, height and width in pixels expected"),
        ({"onnx_shape": 64}, "onnx_shape: 64 given"),
    ],
)
def test_arguments_are_checked_at_once(folder: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        wrapped(folder, **changes)
    with pytest.raises(ConfigError, match="job: 'a job' given, an instance of a TrainJob expected"):
        JobCloudWrap("a job", "a", folder)  # type: ignore[arg-type]


def test_nothing_is_sent_before_everything_is_checked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "submit", lambda *_: pytest.fail("it was sent"))
    with pytest.raises(DataError, match="there are no training data"):
        wrapped(folder, ChangeJob(folder, parts=("val",))).run()
    with pytest.raises(ConfigError, match=r"the script .*job\.py lies outside of it"):
        wrapped(folder, code_dir=folder / "images1").run()
    monkeypatch.setattr(cloud, "visible_gpus", lambda: ["0"])
    with pytest.raises(DeviceError, match="gpu_num: 2 given, and this machine has 1"):
        wrapped(folder, gpu_num=2).run()
    monkeypatch.setenv("PET_CLUSTER", "slurm:nowhere")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="there is no sbatch on this machine|needs submitit"):
        wrapped(folder).run()
    with (folder / "film.mp4").open("wb") as film:
        film.truncate(LIMIT_BYTES)
    with pytest.raises(ConfigError, match=r"the largest files: film\.mp4 \(512\.0 MB\)"):
        wrapped(folder).run()
    monkeypatch.delattr(sys.modules["__main__"], "__file__")
    with pytest.raises(ConfigError, match="write this one into a file in"):
        wrapped(folder).run()
    assert not (folder / "ckpts").exists() and not (folder / "work").exists()


def test_a_storage_that_takes_nothing_is_reported_before_anything_is_sent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "submit", lambda *_: pytest.fail("it was sent"))
    monkeypatch.setenv("PET_STORAGE", "https://example.org/jobs")
    with pytest.raises(ConfigError, match="PET_STORAGE https://example.org/jobs: a folder that all nodes and this machine see, or an addr"):
        wrapped(folder).run()
    for place, message in (
        ("s3://", "s3://: the bucket is missing, s3://bucket/prefix expected"),
        ("/proc/x", "/proc/x: the results cannot"),
    ):
        monkeypatch.setenv("PET_STORAGE", place)
        with pytest.raises(UserError, match=f"^PET_STORAGE {message}"):
            wrapped(folder).run()
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PET_STORAGE", "az://box/jobs")
    with pytest.raises(StoreError, match="az://box/jobs/models/change_0.1: the settings of this store cannot be used: .*Account must be"):
        wrapped(folder).run()
    assert not (folder / "ckpts").exists() and not (folder / "work").exists()


def test_a_mistake_that_only_the_job_sees_is_one_of_the_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = iter((2, 1))

    def send(job: ClusterJob, target: Target, package: object) -> records.Record:
        write_ending(job, next(codes))
        return records.remember(job, target, "4194305")

    monkeypatch.setattr(engines, "submit", send)
    monkeypatch.setattr(engines, "follow", lambda record: iter(()))
    for kind in (JobMistakeError, RuntimeError):
        with pytest.raises(kind, match="^change_0.1-script-.*: failed; the reason is above, and in .*/ckpts/jobs/change_0.1/run/logs$"):
            wrapped(folder).run()


def test_the_environment_names_the_cluster(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("PET_CLUSTER", "slurm:gpu")
    aie.Authenticate("a secret")
    aie.Initialize()
    assert caplog.messages == [
        "aie.Authenticate: a local run needs no token; the one that was given is not used",
        "aie.Initialize: jobs of JobCloudWrap go to slurm:gpu (PET_CLUSTER)",
    ]
    monkeypatch.setenv("PET_CLUSTER", "somewhere")
    with pytest.raises(ConfigError, match="PET_CLUSTER somewhere: slurm, slurm:PARTITION, ray:http://HOST:8265 or local expected"):
        aie.Initialize()
