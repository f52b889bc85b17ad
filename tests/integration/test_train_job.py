"""The scripts of docs/train_job.md, as they are there: the example of AI Earth's document, and change detection on files of one's own."""

import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from onnxruntime import InferenceSession

from pet.models.segmentation.networks import build_network
from petlib.object_store import ObjectStore
from tests.integration.conftest import ROOT, Done, environment
from tests.integration.warm_python import warm_python
from tests.object_stores import open_store
from tests.pet.compat.aiearth.image_files import write_gid, write_pairs

PAGE = (ROOT / "docs" / "train_job.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
JOB, MAIN, CLOUD, QUICK_START, CHANGE = BLOCKS

SMALL = """        trainer.cfg.pet.TRAIN.RESIZE.SCALES = [64]
        trainer.cfg.data.workers_per_gpu = 0
        return trainer
"""


def write_script(folder: Path, text: str) -> Path:
    path = folder / "job.py"
    path.write_text(text, encoding="utf-8")
    return path


def variables(folder: Path) -> dict[str, str]:
    """Return an environment in which the records of jobs lie in ``folder``, not among those of the user."""
    own = {"PET_MODELS": "store", "XDG_CACHE_HOME": str(folder / "cache")}
    return environment() | own | {"PYTHONPATH": os.pathsep.join([str(ROOT / "lib"), str(ROOT)])}


def start(script: Path, timeout: float) -> Done:
    return Done(*warm_python().run([script], folder=script.parent, environment=variables(script.parent), timeout=timeout))


def smaller(text: str) -> str:
    """Return a script whose crops are small."""
    assert text.count("        return trainer\n") == 1
    return text.replace("        return trainer\n", SMALL)


# a network that is exported in a tenth of the time of the document's
LIGHT = 'trainer.cfg.pet.MODEL.NETWORK = "unet"'
SCALES = "trainer.cfg.pet.TRAIN.RESIZE.SCALES = [64]"


def with_light_network(text: str) -> str:
    """Return a script with small crops and a small network."""
    assert text.count(SCALES) == 1
    return text.replace(SCALES, f"{SCALES}\n        {LIGHT}")


def write_tutorial(folder: Path, network: str) -> None:
    """Write the data and the weights that the example wants: five tiles, and a network with the 11 classes of its model."""
    write_gid(folder / "work_dirs" / "tutorial", 5)
    path = folder / "store" / "LandCover" / "landcover_v1.6.pth"
    path.parent.mkdir(parents=True)
    state = build_network(network, channels=11).state_dict()
    torch.save({"model": {f"network.{name}": value for name, value in state.items()}}, path)


def check_tutorial(folder: Path, output: str) -> None:
    work = folder / "work_dirs" / "tutorial"
    assert {"model_iter1.pth", "model_iter2.pth", "model_latest.pth", "model_best.pth", "config.yaml"} <= {
        path.name for path in work.iterdir()
    }
    lines = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines if "semseg/mIoU" in line] == [2]
    assert "aie.Authenticate: a local run needs no token" in output
    # the head has 16 classes in place of 11
    assert re.search(r"landcover_v1\.6\.pth: [\d,]+ tensors matched\n  2 mismatched: network\.classifier\.weight \[11, ", output), output


@pytest.mark.cuda
def test_the_example_as_it_is(tmp_path: Path) -> None:
    """HRNet-W48 on crops of 1024 pixels: minutes and gigabytes on a CPU."""
    write_tutorial(tmp_path, "fcn_hrnet_w48")
    done = start(write_script(tmp_path, f"{JOB}\n{MAIN}"), timeout=600).succeeded()
    check_tutorial(tmp_path, done.output)
    assert "fcn_hrnet_w48, for an image of 1024 x 1024" in done.output


def test_the_example_on_small_crops(tmp_path: Path) -> None:
    write_tutorial(tmp_path, "fcn_hrnet_w48")
    done = start(write_script(tmp_path, f"{smaller(JOB)}\n{MAIN}"), timeout=300).succeeded()
    check_tutorial(tmp_path, done.output)
    assert "fcn_hrnet_w48, for an image of 64 x 64" in done.output


def test_the_example_without_its_files(tmp_path: Path) -> None:
    script = write_script(tmp_path, f"{JOB}\n{MAIN}")
    done = start(script, timeout=120)
    assert done.code == 2
    assert "Traceback" not in done.output
    assert (
        "store/LandCover/landcover_v1.6.pth: the model LandCover/landcover_v1.6.pth is not in the store; put the file there" in done.output
    )
    path = tmp_path / "store" / "LandCover" / "landcover_v1.6.pth"
    path.parent.mkdir(parents=True)
    path.touch()
    done = start(script, timeout=120)
    assert "Get the files at https://captain-whu.github.io/GID15/ and put them into" in done.output
    assert {entry.name for entry in tmp_path.iterdir()} == {"job.py", "store"}


def test_the_job_of_a_cluster_on_a_machine_without_one(tmp_path: Path) -> None:
    write_tutorial(tmp_path, "unet")
    assert CLOUD.count('desc="from sdk",') == 1
    last = CLOUD.replace('desc="from sdk",', 'desc="from sdk", onnx_shape=(64, 96),')
    script = write_script(tmp_path, f"{with_light_network(smaller(JOB))}\n{last}")
    output = start(script, timeout=300).succeeded().output
    place = tmp_path / "ckpts" / "jobs" / "models" / "landcover_0.1" / "1"
    assert f"landcover_0.1, version 1: {place}" in output.splitlines()[-1]
    assert "Fatal Python error" not in output
    assert {path.name for path in place.iterdir()} == {"model.pth", "model.onnx", "config.yaml", "card.json"}
    card = json.loads((place / "card.json").read_text())
    assert (card["name"], card["version"], card["description"], len(card["classes"])) == ("landcover_0.1", 1, "from sdk", 16)
    assert 0 <= card["metrics"]["semseg/mIoU"] <= 1
    assert card["weights"]["began_with"] == "landcover_v1.6.pth"
    for name, facts in card["files"].items():
        assert facts["sha256"] == hashlib.sha256((place / name).read_bytes()).hexdigest()
    assert InferenceSession(place / "model.onnx").get_inputs()[0].shape == [1, 3, 64, 96]
    # the script's own folder is not written into
    assert {path.name for path in (tmp_path / "work_dirs" / "tutorial").iterdir()} == {"GID"}


@pytest.mark.nightly
def test_the_job_of_a_cluster_with_a_store_of_objects(tmp_path: Path) -> None:
    write_tutorial(tmp_path, "unet")
    last = CLOUD.replace('desc="from sdk",', 'desc="from sdk", onnx_shape=(64, 96),')
    script = write_script(tmp_path, f"{with_light_network(smaller(JOB))}\n{last}")
    storage, here = "s3://bucket/jobs", {"TMPDIR": str(tmp_path / "node")}
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch, open_store("bucket", patch.setenv):
        for version in (1, 2):
            # a node that has nothing of the run
            shutil.rmtree(tmp_path / "node", ignore_errors=True)
            (tmp_path / "node").mkdir()
            changed = {**variables(tmp_path), **here, "PET_STORAGE": storage}
            done = Done(*warm_python().run([script], folder=tmp_path, environment=changed, timeout=300)).succeeded()
            assert f"landcover_0.1, version {version}: {storage}/models/landcover_0.1/{version}" in done.output.splitlines()[-1]
            assert ("of the run are fetched" in done.output) == (version == 2)
        store, place = ObjectStore(), f"{storage}/models/landcover_0.1/2"
        assert {item.name for item in store.list(place)} == {"model.pth", "model.onnx", "config.yaml", "card.json"}
        card = json.loads(store.get(f"{place}/card.json"))
        for name, facts in card["files"].items():
            assert facts["sha256"] == hashlib.sha256(store.get(f"{place}/{name}")).hexdigest()
        words = [sys.executable, "-c", "import sys; from pet import cli; sys.exit(cli.jobs())", "fetch", "landcover_0.1"]
        fetched = subprocess.run(
            words, cwd=tmp_path, env=variables(tmp_path) | here, capture_output=True, text=True, timeout=300, check=True
        )
        assert fetched.stdout.startswith("ckpts/landcover_0.1: ")
    names = {path.name for path in (tmp_path / "ckpts" / "landcover_0.1").iterdir()}
    assert {"model_latest.pth", "model_best.pth", "model.onnx", "config.yaml", "metrics.jsonl", "test"} <= names


@pytest.mark.nightly
def test_change_detection_on_files_of_ones_own(tmp_path: Path) -> None:
    write_pairs(tmp_path / "datasets", [f"pair {number}" for number in range(20)], size=64)
    assert CHANGE.count("(512, 512, ") == 2
    assert CHANGE.count("export_onnx(dynamic=True)") == 1
    short = smaller(CHANGE).replace("(512, 512, ", "(64, 64, ").replace("export_onnx(dynamic", "export_onnx(shape=(64, 64), dynamic")
    short = short.replace('["max_iters"] = 360', '["max_iters"] = 2\n        trainer.cfg.lr_config["warmup_iters"] = 0')
    assert short.count('["max_iters"] = 2\n') == 1
    done = start(write_script(tmp_path, short), timeout=300).succeeded()
    assert "'semseg/foreground_IoU': " in done.output
    work = tmp_path / "work_dirs" / "change"
    assert {"model_best.pth", "model.onnx", "test"} <= {path.name for path in work.iterdir()}
