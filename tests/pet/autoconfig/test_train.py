"""From a folder to a config: the task that the labels ask for, the division, and what a second call does."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pet import autoconfig, data
from pet.models.zoo.sources import PublishedWeights
from petlib.config import load_cfg
from petlib.errors import ConfigError, DataError, UserError
from petlib.launch.start.task_folder import find_task_folder
from tests.pet.autoconfig.folders import MAKERS, class_folders, coco

RANDOM = "random weights"


@pytest.fixture(autouse=True)
def _work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no_cache"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(PublishedWeights, "_find_in_caches", lambda self, file: None)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def settings(chosen: autoconfig.Chosen) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(chosen.config.read_text())
    return found


@pytest.mark.parametrize(
    ("name", "folder", "task"),
    [
        ("classes", "tasks/cls", "classification, because every image has one class of 2"),
        ("coco_boxes", "vision", "detection of 2 classes, because objects have boxes"),
        ("coco_masks", "vision", "instance masks of 2 classes, because 100% of the objects have outlines"),
        ("coco_keypoints", "vision", "detection of 2 classes with 2 keypoints, because objects have them"),
        ("voc", "vision", "detection of 2 classes, because objects have boxes"),
        ("yolo_masks", "vision", "instance masks of 2 classes, because 100% of the objects have outlines"),
        ("label_images", "vision", "semantic segmentation, because every pixel has one of 3 classes"),
        ("pairs", "projects/changedet", "change detection, because samples are pairs of images with 2 classes of pixels"),
    ],
)
def test_the_task_follows_from_the_labels(name: str, folder: str, task: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path / name)
    chosen = autoconfig.choose_config(tmp_path / name)
    assert chosen.config == Path("cfgs") / folder / f"{name}.yaml"
    assert [line.partition(":")[0] for line in chosen.lines] == ["data", "task", "model", "training", "config"]
    assert chosen.lines[1] == f"task:     {task}"
    assert RANDOM in chosen.lines[2]


def test_labels_switch_on_heads(tmp_path: Path) -> None:
    heads = {}
    for name in ("coco_boxes", "coco_masks", "coco_keypoints"):
        MAKERS[name](tmp_path / name)
        model = settings(autoconfig.choose_config(tmp_path / name))["MODEL"]
        heads[name] = [key for key in model if key.startswith("HAS_")]
    assert heads == {"coco_boxes": ["HAS_BOX"], "coco_masks": ["HAS_BOX", "HAS_MASK"], "coco_keypoints": ["HAS_BOX", "HAS_KEYPOINTS"]}


def test_data_without_validation_are_divided_by_class_into_two_lists(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", 20)
    found = settings(autoconfig.choose_config(tmp_path / "data"))
    lists = {part: found["DATA"]["CATALOG"][f"data_{part}"]["only"] for part in ("train", "val")}
    assert lists == {part: str(tmp_path / f"work/ckpts/tasks/cls/data/split/{part}.txt") for part in ("train", "val")}
    train, val = (Path(file).read_text().split() for file in lists.values())
    assert sorted(train + val) == sorted(path.relative_to(tmp_path / "data").as_posix() for path in (tmp_path / "data").rglob("*.jpg"))
    assert [sum(name.startswith(label) for name in val) for label in ("disc", "square")] == [2, 2]
    assert found["TEST"]["DATASETS"] == ["data_val"]


def test_a_config_with_lists_is_read_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folders(tmp_path / "data", 20)
    config = autoconfig.choose_config(tmp_path / "data").config.absolute()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    cfg = load_cfg(find_task_folder(config, "pet").config, config)
    sizes = [len(data.build_dataset(cfg, names, frozenset({"label"}))) for names in (cfg.TRAIN.DATASETS, cfg.TEST.DATASETS)]
    assert sizes == [16, 4]


@pytest.mark.parametrize(
    ("maker", "model", "message"),
    [
        ("classes", "resnt18", "--model: there is neither a detector nor a network 'resnt18'; did you mean .*resnet18"),
        ("classes", "torchvision/resnt18", "--model: there is neither a detector nor a network 'torchvision/resnt18'; did you mean"),
        ("voc", "fcso", "--model: there is neither a detector nor a network 'fcso'; did you mean fcos"),
        ("pairs", "siamse", "--model: there is no network 'siamse'; did you mean siamese"),
    ],
)
def test_a_misspelt_model_leaves_no_config(maker: str, model: str, message: str, tmp_path: Path) -> None:
    MAKERS[maker](tmp_path / "data")
    with pytest.raises(ConfigError, match=f"(?s)^{message}"):
        autoconfig.choose_config(tmp_path / "data", model=model)
    assert not Path("cfgs").exists()


def test_a_misspelt_setting_is_reported_once_and_before_the_time_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    MAKERS["classes"](tmp_path / "data")
    monkeypatch.setattr("pet.autoconfig.time_budget.run_training", lambda words, show: pytest.fail("a training was measured"))
    with pytest.raises(ConfigError, match=r"^command line: TRAIN.BATCH_SIZ: unknown key; did you mean TRAIN.BATCH_SIZE\?$"):
        autoconfig.choose_config(tmp_path / "data", seconds=60, overrides=["TRAIN.BATCH_SIZ=2"])
    assert not Path("cfgs").exists()


def test_data_that_are_divided_are_read_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    MAKERS["labelme"](tmp_path / "data")
    autoconfig.choose_config(tmp_path / "data")
    assert caplog.text.count("10 x object without a mask, kept as a box alone") == 1


def test_data_with_validation_keep_it(tmp_path: Path) -> None:
    MAKERS["roboflow_coco"](tmp_path / "data")
    chosen = autoconfig.choose_config(tmp_path / "data")
    assert "16 images to train on, measured on its own val" in chosen.lines[0]
    catalogue = settings(chosen)["DATA"]["CATALOG"]
    assert catalogue == {
        "data_train": {"type": "coco", "path": "train", "annotations": "train/_annotations.coco.json"},
        "data_val": {"type": "coco", "path": "valid", "annotations": "valid/_annotations.coco.json"},
    }
    assert not Path("ckpts").exists()


def test_the_same_command_again_takes_the_config_as_it_was_edited(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", 8)
    first = autoconfig.choose_config(tmp_path / "data", epochs=3)
    first.config.write_text(first.config.read_text().replace("BASE_LR: ", "BASE_LR: 1"))
    edited = first.config.read_text()
    again = autoconfig.choose_config(tmp_path / "data", epochs=3)
    assert again.config == first.config
    assert again.config.read_text() == edited
    assert "which an earlier call wrote" in again.lines[0]
    with pytest.raises(ConfigError, match=r"cfgs/tasks/cls/data.yaml is there, and another command wrote it.*give another --name"):
        autoconfig.choose_config(tmp_path / "data", epochs=4)
    other = autoconfig.choose_config(tmp_path / "data", epochs=4, name="other")
    assert other.config == Path("cfgs/tasks/cls/other.yaml")


def test_settings_of_the_command_line_are_in_the_config(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", 8)
    chosen = autoconfig.choose_config(tmp_path / "data", epochs=7, overrides=["TRAIN.BATCH_SIZE", "2", "SOLVER.EMA.ENABLED=True"])
    found = settings(chosen)
    assert (found["TRAIN"]["BATCH_SIZE"], found["SOLVER"]["EMA"]["ENABLED"], found["SOLVER"]["SCHEDULER"]["TOTAL_EPOCHS"]) == (2, True, 7)
    assert chosen.lines[3].startswith("training: 7 epochs, 2 images an iteration")


@pytest.mark.parametrize(
    ("name", "overrides", "end"),
    [
        ("classes", (), ", mixed precision, compiled from 10,000 iterations on"),
        ("classes", ("MISC.COMPILE=cuda",), ", mixed precision, compiled"),
        ("classes", ("SOLVER.AMP.ENABLED=False",), ", learning rate 0.00035"),
        ("coco_boxes", (), ", mixed precision, not compiled"),
    ],
)
def test_a_line_says_what_a_gpu_adds(
    name: str, overrides: tuple[str, ...], end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pet.autoconfig.train.visible_gpus", lambda: [0])
    MAKERS[name](tmp_path / "data")
    assert autoconfig.choose_config(tmp_path / "data", overrides=overrides).lines[3].endswith(end)


def test_a_setting_that_is_refused_leaves_no_config(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", 8)
    with pytest.raises(UserError, match="TRAIN.BATCHSIZE"):
        autoconfig.choose_config(tmp_path / "data", overrides=["TRAIN.BATCHSIZE=2"])
    assert not list(Path("cfgs").rglob("*.yaml"))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("fcos", {"BACKBONE": "timm/resnet18", "DETECTOR": "fcos"}),
        ("centernet", {"BACKBONE": "timm/resnet18", "DETECTOR": "centernet"}),
        ("resnet34", {"BACKBONE": "timm/resnet34", "DETECTOR": "faster_rcnn"}),
        ("torchvision/resnet18", {"BACKBONE": "torchvision/resnet18", "DETECTOR": "faster_rcnn"}),
    ],
)
def test_a_model_is_a_detector_or_a_backbone(model: str, expected: dict[str, str], tmp_path: Path) -> None:
    coco(tmp_path / "data", 8)
    found = settings(autoconfig.choose_config(tmp_path / "data", model=model))["MODEL"]
    assert {"BACKBONE": found["BACKBONE"], "DETECTOR": found["BOX"]["DETECTOR"]} == expected
    assert ("HAS_MASK" in found) == (expected["DETECTOR"] == "faster_rcnn")


def test_a_data_set_that_is_drawn_needs_no_folder() -> None:
    chosen = autoconfig.choose_config("digits", epochs=2)
    found = settings(chosen)
    assert chosen.config == Path("cfgs/vision/digits.yaml")
    assert (found["MODEL"]["BACKBONE"], found["SOLVER"]["SCHEDULER"]["TOTAL_EPOCHS"]) == ("resnet20", 2)
    assert found["TRAIN"]["DATASETS"] == ["digits_train"]
    detector = settings(autoconfig.choose_config("shapes", model="fcos"))["MODEL"]["BOX"]
    assert (detector["DETECTOR"], detector["CONVOLUTIONS"]) == ("fcos", 2)


def test_a_detector_with_a_size_is_a_network_of_its_own(tmp_path: Path) -> None:
    coco(tmp_path / "data", 8)
    chosen = autoconfig.choose_config(tmp_path / "data", model="dfine_n")
    found = settings(chosen)
    assert found["MODEL"] == {"NUM_CLASSES": 2, "HAS_BOX": True, "BOX": {"DETECTOR": "dfine", "DFINE": {"SIZE": "n"}}}
    reason = "random weights: COCO weights of ustc-community/dfine-nano-coco cannot be had (HF_HUB_OFFLINE is set)"
    assert chosen.lines[2].startswith(f"model:    dfine_n, as asked for; {reason}")
    resize, normalize = found["TEST"]["TRANSFORMS"]
    assert resize["size"] == found["TRAIN"]["RESIZE"]["SCALES"] * 2
    assert normalize == {"name": "Normalize", "mean": [0.0] * 3, "std": [1.0] * 3}
    drawn = settings(autoconfig.choose_config("shapes", model="dfine_s", name="small"))["MODEL"]
    assert drawn["BOX"] == {"DETECTOR": "dfine", "DFINE": {"SIZE": "s"}}
    assert "ARGS" in settings(autoconfig.choose_config("shapes", model="dfine", name="tiny"))["MODEL"]["BOX"]["DFINE"]
    with pytest.raises(ConfigError, match="--model rfdetr_s: rfdetr is published as rfdetr_nano, rfdetr_small"):
        autoconfig.choose_config(tmp_path / "data", model="rfdetr_s", name="other")


def test_a_detector_with_masks_learns_them_where_objects_have_outlines(tmp_path: Path) -> None:
    coco(tmp_path / "data", 8)
    chosen = autoconfig.choose_config(tmp_path / "data", model="rfdetr_seg_nano")
    assert settings(chosen)["MODEL"] == {
        "NUM_CLASSES": 2,
        "HAS_BOX": True,
        "BOX": {"DETECTOR": "rfdetr", "RFDETR": {"SIZE": "seg_nano"}},
        "HAS_MASK": True,
    }
    assert chosen.lines[1] == "task:     instance masks of 2 classes, because 100% of the objects have outlines"
    with pytest.raises(ConfigError, match="and under pml-1.0 as rfdetr_xlarge, for which Pet has no network"):
        autoconfig.choose_config(tmp_path / "data", model="rfdetr_xlarge", name="other")


def test_a_body_for_few_labels_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folders(tmp_path / "data", 4)
    names = ("timm/vit_small_patch14_dinov2.lvd142m", "timm/vit_small_patch16_dinov3.lvd1689m")
    monkeypatch.setenv("PET_MODELS", str(tmp_path / "store"))
    for name in names:
        (tmp_path / "store" / name).mkdir(parents=True)
        (tmp_path / "store" / name / "model.safetensors").touch()
    free, asking = names
    found = settings(autoconfig.choose_config(tmp_path / "data", model=free))
    assert found["FINETUNE"] == {"FREEZE_EPOCHS": -1}
    assert found["MODEL"]["BACKBONE_ARGS"] == {"dynamic_img_size": True}
    assert found["TRAIN"]["RESIZE"]["SCALES"] == [224]
    with pytest.raises(ConfigError, match=f"MISC.ACCEPTED_LICENCES: the weights {asking} are licensed under dinov3-license"):
        autoconfig.choose_config(tmp_path / "data", model=asking, name="other")
    accepted = "MISC.ACCEPTED_LICENCES=['dinov3-license']"
    chosen = autoconfig.choose_config(tmp_path / "data", model=asking, name="other", overrides=[accepted])
    assert settings(chosen)["TRAIN"]["WEIGHTS"] == "timm"
    assert chosen.lines[2].endswith("weights of timm (dinov3-license), on this machine; it stays as it is, a last layer learns")


def test_mistakes_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--data digitz: there is no such folder.*digits.*data sets without a folder are digits, shapes"):
        autoconfig.choose_config("digitz")
    with pytest.raises(ConfigError, match="--epochs and --time are both given"):
        autoconfig.choose_config("digits", epochs=1, seconds=60)
    with pytest.raises(ConfigError, match="--epochs: 0 given, more than 0 expected"):
        autoconfig.choose_config("digits", epochs=0)
    class_folders(tmp_path / "one", 2)
    for path in list((tmp_path / "one" / "disc").iterdir()):
        path.rename(tmp_path / "one" / "square" / "more.jpg")
    (tmp_path / "one" / "disc").rmdir()
    with pytest.raises(DataError, match="no format of data is recognised"):
        autoconfig.choose_config(tmp_path / "one")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "nothing"}, r"--model: there is neither a detector nor a network 'nothing'; pet-models lists those with"),
        ({"model": "fcoss"}, r"--model: there is neither a detector nor a network 'fcoss'; did you mean fcos\?; pet-models"),
        ({"model": "timm/resnet5O"}, r"neither a detector nor a network 'timm/resnet5O'.*did you mean .*timm/resnet50"),
        ({"name": "../x"}, r"--name: '\.\./x' given, a name of letters, digits, '\.', '_' and '-' expected, no path"),
    ],
)
def test_names_that_mean_nothing_leave_no_config(options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        autoconfig.choose_config("digits", **options)
    assert not Path("cfgs").exists()
