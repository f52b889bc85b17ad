"""Every mistake of a user gives one readable message and exit code 2, and nothing is lost or overwritten."""

import pickle
import resource
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.integration.conftest import DIGITS, Done, Run, command, environment
from tests.integration.many_runs import run_many

SHORT = [
    "SOLVER.SCHEDULER.TOTAL_EPOCHS=0",
    "SOLVER.SCHEDULER.TOTAL_ITERS=2",
    "SOLVER.SCHEDULER.WARM_UP_EPOCHS=None",
    "ANALYSER.ENABLED=False",
]
QUICK = [*SHORT, "TRAIN.NUM_WORKERS=0", "TEST.NUM_WORKERS=0", "MISC.TENSORBOARD=False", "TRAIN.BATCH_SIZE=16"]


def assert_one_message(done: Done, *parts: str) -> None:
    """Check the exit code, that the message is reported once, and that no traceback is shown."""
    assert done.code == 2, done.output
    assert "Traceback" not in done.output, done.output
    for part in parts:
        assert part in done.output, f"{part!r} is not in:\n{done.output}"
    messages = [line for line in done.output.splitlines() if "error: " in line]
    assert len(messages) == 1, f"{len(messages)} messages:\n{done.output}"


def train(run: Run, *options: str | Path) -> Done:
    return run("vision/train_net.py", "--cfg", DIGITS, *QUICK, *options)


def write_config(folder: Path, text: str) -> Path:
    path = folder / "cfgs" / "vision" / "x.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# reported by the launcher, before torch is imported


def test_a_missing_config(run: Run) -> None:
    done = run("train_net_all.py", "--cfg", DIGITS.with_name("resnet02_digits.yaml"), launcher=True)
    assert_one_message(done, "resnet02_digits.yaml: there is no such config file; did you mean resnet20_digits.yaml or ")


def test_a_yaml_syntax_error(run: Run, tmp_path: Path) -> None:
    path = write_config(tmp_path, "MISC:\n  SEED: [1, 2\nTRAIN: {}\n")
    assert_one_message(run("train_net_all.py", "--cfg", path, "--type", "vision", launcher=True), "x.yaml:3:6: not valid YAML")


def test_unknown_keys_and_wrong_types_are_reported_together(run: Run, tmp_path: Path) -> None:
    path = write_config(tmp_path, f"_BASE_: {DIGITS}\nSOLVER:\n  OPTIMIZER: {{BASE_LR: fast}}\nTRAIN:\n  BATCHSIZE: 3\n")
    done = run("train_net_all.py", "--cfg", path, "--type", "vision", "MISC.SEDE", "3", launcher=True)
    assert_one_message(
        done,
        "x.yaml:3: SOLVER.OPTIMIZER.BASE_LR: 'fast' (str) given, float expected",
        "x.yaml:5: TRAIN.BATCHSIZE: unknown key; did you mean TRAIN.BATCH_SIZE?",
        "command line: MISC.SEDE: unknown key; did you mean MISC.SEED?",
    )
    assert not (tmp_path / "ckpts").exists()


def test_a_gpu_that_is_not_there(run: Run) -> None:
    if torch.cuda.device_count() > 7:
        pytest.skip("this machine has that GPU")
    assert_one_message(run("train_net_all.py", "--cfg", DIGITS, "--gpu_id", "7", launcher=True), "there is no GPU 7")


def test_an_unknown_option(run: Run) -> None:
    assert_one_message(run("train_net_all.py", "--cfg", DIGITS, "--gpu_ids", "0", launcher=True), "unknown option --gpu_ids", "--gpu_id")


# reported by the ranks


UNKNOWN = {
    "MODEL.BACKBONE=resnet21": "MODEL.BACKBONE: there is no network 'resnet21'; did you mean",
    "SOLVER.OPTIMIZER.NAME=AdamX": "unknown optimizer 'AdamX'; did you mean Adam",
    "TRAIN.TRANSFORMS=[RandomHorizontlFlip]": "unknown transform 'RandomHorizontlFlip'; did you mean RandomHorizontalFlip",
    "TRAIN.TRANSFORMS=[{name: RandomCrop, pading: 2}]": "transform RandomCrop: unknown argument 'pading'; did you mean padding",
    "TRAIN.DATASETS=[digit_train]": "unknown data set 'digit_train'; did you mean digits_train",
    "TRAIN.DATASETS=[cifar10_train]": "or set MISC.DATA_ROOT to the folder above cifar/",
    "TRAIN.DATASETS=[no/such/folder]": "Paths of the catalogue start from MISC.DATA_ROOT",
    "MODEL.NUM_CLASSES=7": "the data have 10 classes",
    "TRAIN.WEIGHTS=nothere.pth": "nothere.pth",
}


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """How runs with each of the options ended."""
    runs = [("vision/train_net.py", ["--cfg", DIGITS, *QUICK, option]) for option in UNKNOWN]
    return dict(zip(UNKNOWN, run_many(runs, tmp_path_factory.mktemp("unknown")), strict=True))


@pytest.mark.parametrize("option", UNKNOWN)
def test_unknown_names_and_missing_data(unknown: dict[str, Done], option: str) -> None:
    assert_one_message(unknown[option], UNKNOWN[option])


def test_the_launcher_shows_the_message_of_a_rank_once(run: Run) -> None:
    assert_one_message(train(run, "MODEL.NUM_CLASSES=7"), "the data have 10 classes")


def test_a_batch_that_does_not_divide_is_reported_once_by_two_ranks(run: Run) -> None:
    done = run("train_net_all.py", "--cfg", DIGITS, *QUICK, "--nproc", "2", "TRAIN.BATCH_SIZE=33", launcher=True)
    assert_one_message(done, "TRAIN.BATCH_SIZE", "32", "34")


def make_images(folder: Path) -> Path:
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            image = np.random.default_rng(number).integers(0, 255, (24, 24, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / name / f"{number}.jpg"), image)
    return folder


def test_an_empty_data_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert_one_message(train(run, f"TRAIN.DATASETS=[{tmp_path}/empty]", "MODEL.NUM_CLASSES=2"), f"{tmp_path}/empty: no class folders in it")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_truncated_image_is_named(run: Run, tmp_path: Path, workers: int) -> None:
    folder = make_images(tmp_path / "images")
    broken = folder / "dog" / "3.jpg"
    broken.write_bytes(broken.read_bytes()[:-200])
    done = train(
        run,
        f"TRAIN.DATASETS=[{folder}]",
        f"TEST.DATASETS=[{folder}]",
        "MODEL.NUM_CLASSES=2",
        "DATA.CHECK_SAMPLES=1",
        f"TRAIN.NUM_WORKERS={workers}",
        "SOLVER.SCHEDULER.TOTAL_ITERS=5",
    )
    assert_one_message(done, f"{broken}: the image is cut off or damaged")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a run that went well."""
    tmp_path = tmp_path_factory.mktemp("trained")
    (done,) = run_many([("vision/train_net.py", ["--cfg", DIGITS, *QUICK, f"MISC.CKPT={tmp_path}/run"])], tmp_path)
    done.succeeded()
    return tmp_path / "run"


def copy_of(trained: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "model_latest.pth").write_bytes((trained / "model_latest.pth").read_bytes())
    return folder


def test_a_truncated_checkpoint_is_not_overwritten(run: Run, trained: Path, tmp_path: Path) -> None:
    path = copy_of(trained, tmp_path) / "model_latest.pth"
    path.write_bytes(path.read_bytes()[:-5000])
    before = path.read_bytes()
    done = train(run, f"MISC.CKPT={path.parent}")
    assert_one_message(done, f"{path.parent}: there is no whole checkpoint to continue from: {path.name}: truncated or damaged")
    assert path.read_bytes() == before


def test_a_checkpoint_of_another_architecture(run: Run, trained: Path, tmp_path: Path) -> None:
    path = copy_of(trained, tmp_path) / "model_latest.pth"
    before = path.read_bytes()
    assert_one_message(train(run, f"MISC.CKPT={path.parent}", "MODEL.BACKBONE=resnet32"), "another", "model_latest.pth")
    assert path.read_bytes() == before


class Exploit:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("the pickle was run",)


def test_a_checkpoint_with_code_in_it_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with path.open("wb") as file:
        pickle.dump({"model": Exploit()}, file)
    done = train(run, f"TRAIN.WEIGHTS={path}")
    assert_one_message(done, str(path))
    assert "the pickle was run" not in done.output
    torch.save({"model": Exploit()}, path)
    done = train(run, f"TRAIN.WEIGHTS={path}")
    assert_one_message(done, str(path))
    assert "the pickle was run" not in done.output


def test_an_output_folder_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert_one_message(train(run, f"MISC.CKPT={tmp_path}/file/run"), f"{tmp_path}/file")


def test_a_full_disk_leaves_the_previous_checkpoint_whole(trained: Path, tmp_path: Path) -> None:
    folder = copy_of(trained, tmp_path)
    before = (folder / "model_latest.pth").read_bytes()
    limit = len(before) // 2

    def limit_file_size() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    words = command("train_net_all.py", "--cfg", DIGITS, *QUICK, f"MISC.CKPT={folder}", "SOLVER.SCHEDULER.TOTAL_ITERS=4")
    done = subprocess.run(
        words,
        cwd=tmp_path,
        env=environment(),
        preexec_fn=limit_file_size,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert_one_message(Done(done.returncode, done.stdout), "model_iter4.pth", "untouched")
    assert (folder / "model_latest.pth").read_bytes() == before
    assert torch.load(folder / "model_latest.pth", weights_only=True)["iteration"] == 2


def test_testing_without_a_checkpoint(run: Run, tmp_path: Path) -> None:
    done = run("test_net.py", "--cfg", DIGITS)
    assert_one_message(done, "there is no best and no latest checkpoint")
    done = run("test_net_all.py", "--cfg", DIGITS, "MISC.CKPT=misspelt", "TEST.WEIGHTS=gone.pth", "MISC.DEVICE=cpu", launcher=True)
    assert_one_message(done, "gone.pth: there is no such file")
    assert not [*tmp_path.iterdir()]
