import json
import subprocess
import time
from pathlib import Path

import pytest

from pet.cluster.job import ClusterJob
from pet.cluster.node import link_left_out
from pet.cluster.package import JOB_FILE, LIMIT_BYTES, package_folder
from petlib.errors import ConfigError

KEY = "-----BEGIN " + "PRIVATE KEY-----\nx\n"
FILES = {
    "train.py": "print(1)",
    "cfgs/a.yaml": "A: 1",
    "secrets.py": "a module",
    "credentials_form.py": "a module too",
    "data/prepare.py": "code among data",
    "data/a.jpg": "x",
    "data/deep/b.jpg": "x",
    "notes/with space.txt": "x",
    "ckpts/run/model_latest.pth": "x",
    "ckpts/run/metrics.jsonl": "x",
    "weights/net.pth": "x",
    "archive.zip": "x",
    ".env": "TOKEN=1",
    "deploy/key": KEY,
    "deploy/server.pem": "x",
    "secrets.yaml": "password: 1",
    "aws_credentials": "x",
    "__pycache__/train.cpython-311.pyc": "x",
    "node_modules/a.js": "x",
    "ignored.txt": "x",
    "sub/scratch/a.txt": "x",
    ".gitignore": "ignored.txt\n",
    ".petignore": "scratch\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "inside.py").symlink_to("train.py")
    (root / "outside").symlink_to("/etc/passwd")
    return root


@pytest.mark.parametrize("repository", [False, True])
def test_code_goes_along_without_what_is_large_made_or_secret(folder: Path, repository: bool) -> None:
    if repository:
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
        # what git tracks is nevertheless left out where it is secret
        subprocess.run(["git", "-C", str(folder), "add", "-f", ".env", "train.py", "sub/scratch/a.txt"], check=True)
    package = package_folder(folder)
    assert set(package.sizes) == {
        *("train.py", "cfgs/a.yaml", "secrets.py", "credentials_form.py", "data/prepare.py", "notes/with space.txt", "inside.py"),
        ".petignore",
    }
    assert package.left_out == {
        "checkpoints": ["ckpts/run/model_latest.pth", "weights/net.pth"],
        "data": ["archive.zip", "data/"],
        "links": ["outside"],
        "results": ["ckpts/"],
        "secrets": [".env", "aws_credentials", "deploy/key", "deploy/server.pem", "secrets.yaml"],
    }
    size, *left_out = package.describe()
    assert size.startswith(f"code: {folder}: 8 files, 0.1 kB; the largest: ")
    assert "left out: secrets: .env, aws_credentials, deploy/key, deploy/server.pem, secrets.yaml" in left_out


def test_without_git_the_same_files_are_chosen_but_for_its_rules(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    package = package_folder(folder)
    assert set(package.sizes) - {"ignored.txt"} == {
        *("train.py", "cfgs/a.yaml", "secrets.py", "credentials_form.py", "data/prepare.py", "notes/with space.txt", "inside.py"),
        ".petignore",
    }


def test_the_copy_finds_data_and_checkpoints_where_they_are(folder: Path, tmp_path: Path) -> None:
    job = ClusterJob("id", "name", "train", ("--cfg", "a"), str(folder), str(tmp_path / "storage"))
    code = tmp_path / "copy"
    package_folder(folder).write_code(job, code)
    assert ClusterJob.from_json((code / JOB_FILE).read_text()) == job
    assert not (code / "data" / "a.jpg").exists()
    for _ in range(2):
        link_left_out(code)
    assert (code / "data" / "deep" / "b.jpg").read_text() == "x"
    assert (code / "weights" / "net.pth").read_text() == "x" and not (code / "weights").is_symlink()
    assert not (code / "data" / "prepare.py").is_symlink()
    assert not (code / ".env").exists() and not (code / "deploy").exists() and not (code / "ckpts/run/metrics.jsonl").exists()


def test_what_a_node_does_not_see_is_reported(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = ClusterJob("id", "name", "train", (), str(folder), str(tmp_path / "storage"))
    code = tmp_path / "copy"
    package_folder(folder).write_code(job, code)
    folder.rename(tmp_path / "elsewhere")
    link_left_out(code)
    assert f"{folder}/data: left out of what was sent, and not seen on this node" in capsys.readouterr().err


def test_a_folder_that_is_too_large_is_refused_within_a_second_with_its_largest_files(tmp_path: Path) -> None:
    with (tmp_path / "movie.mp4").open("wb") as file:
        file.truncate(LIMIT_BYTES)
    (tmp_path / "train.py").write_text("x")
    seconds = []
    for _ in range(5):
        begin = time.monotonic()
        with pytest.raises(
            ConfigError, match=r"512\.0 MB would be sent, 512\.0 MB at most are possible; the largest files: movie\.mp4 \(512"
        ):
            package_folder(tmp_path).check()
        seconds.append(time.monotonic() - begin)
    assert min(seconds) < 1
    with pytest.raises(ConfigError, match="nowhere given, a folder expected"):
        package_folder(tmp_path / "nowhere")


def test_a_job_survives_as_text(tmp_path: Path) -> None:
    job = ClusterJob("a-1", "a", "test", ("--cfg", "x"), "/code", str(tmp_path), nodes=(1, 4), gpus_per_node=8, description="描述")
    assert ClusterJob.from_json(job.to_json()) == job
    assert json.loads(job.to_json())["description"] == "描述"
    with pytest.raises(ValueError, match="this is no record of a job"):
        ClusterJob.from_json("[]")
