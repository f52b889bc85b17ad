"""Mistakes in calls of the Python API: one readable exception each, before anything is trained or computed."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pet
from pet.api.runs import as_overrides
from petlib.errors import ConfigError, DataError, UserError
from tests.pet.api.test_model import random_image, write_run

DIGITS = "vision/digits/resnet20_digits.yaml"
HOW = r"; keys of the config are given with __ for each dot, e.g. TEST__IMS_PER_GPU=4"


@pytest.fixture(autouse=True)
def _work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fruit").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pet.api.training.run_training", lambda words, show: pytest.fail("a training began"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> pet.Model:
    return pet.load(write_run(tmp_path_factory.mktemp("run") / "digits", DIGITS, []), device="cpu")


@pytest.mark.parametrize(
    ("config", "arguments", "message"),
    [
        (None, {}, "train: give either a config or data"),
        (DIGITS, {"data": "digits"}, "train: give either a config or data"),
        (3, {}, "train.config: 3 given, a path or a name expected"),
        ("fruit", {}, r"train.config: fruit is a folder; a config expected; train\(data='fruit'\) trains on a folder of data"),
        ("vision/digits/resnet21_digits.yaml", {}, "vision/digits/resnet21_digits.yaml: there is no such config.*did you mean"),
        (None, {"data": ["fruit"]}, r"train.data: \['fruit'\] given, a path or a name expected"),
        (None, {"data": "friut"}, "data friut: there is no such folder; did you mean fruit"),
        (None, {"data": __file__}, f"{__file__}: this is a file, a folder expected"),
        (None, {"data": "digits", "minutes": -1}, "train.minutes: -1 given, a number of minutes above 0 expected"),
        (None, {"data": "digits", "minutes": math.nan}, "train.minutes: nan given"),
        (None, {"data": "digits", "minutes": "1m"}, "train.minutes: '1m' given"),
        (None, {"data": "digits", "epochs": 0}, "train.epochs: 0 given, a whole number from 1 on expected"),
        (None, {"data": "digits", "epochs": 1.5}, "train.epochs: 1.5 given"),
        (None, {"data": "digits", "epochs": True}, "train.epochs: True given"),
        (None, {"data": "digits", "epochs": 1, "minutes": 1}, "epochs and minutes are both given"),
        (None, {"data": "digits", "model": 5}, "train.model: 5 given, a name expected"),
        (
            DIGITS,
            {"epochs": 3},
            "train: model, epochs, minutes and name go with data; for a config give SOLVER__SCHEDULER__TOTAL_EPOCHS=10",
        ),
        (DIGITS, {"gpus": 0}, r"train.gpus: 0 given, a list of the numbers of GPUs expected, e.g. \[0, 1\]"),
        (DIGITS, {"processes": 0}, "train.processes: 0 given, a whole number from 1 on expected"),
        (DIGITS, {"SOLVER__OPTIMIZER__BASE_LR": {1j}}, r"SOLVER.OPTIMIZER.BASE_LR: {1j} given, a number, a text, a list or a dictionary"),
        (DIGITS, {"folder": 7}, "train.folder: 7 given, a path or a name expected"),
        (DIGITS, {"gpu": [0]}, rf"train: unknown argument 'gpu'; did you mean gpus\?{HOW}"),
        (None, {"data": "digits", "epoch": 3}, rf"train: unknown argument 'epoch'; did you mean epochs\?{HOW}"),
        (DIGITS, {"TRAIN__BATCH_SIZ": 8}, "settings: TRAIN.BATCH_SIZ: unknown key; did you mean TRAIN.BATCH_SIZE"),
        (None, {"data": "digits", "TRAIN__BATCH_SIZ": 8}, r"settings: TRAIN.BATCH_SIZ: unknown key; did you mean TRAIN.BATCH_SIZE\?$"),
    ],
)
def test_a_training_that_cannot_be(config: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"(?s)^{message}"):
        pet.train(config, **arguments)
    assert not Path("cfgs").exists()


def test_numbers_of_numpy_are_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"SOLVER.OPTIMIZER.BASE_LR": np.float32(0.5), "TEST.RESIZE.SCALES": np.array([64, 96]), "MISC.SEED": np.int64(3)}
    assert as_overrides(given) == ["SOLVER.OPTIMIZER.BASE_LR=0.5", "TEST.RESIZE.SCALES=[64, 96]", "MISC.SEED=3"]
    words: list[str] = []
    monkeypatch.setattr("pet.api.training.run_training", lambda given, show: words.extend(given) or 0)
    pet.train(data="digits", epochs=np.int64(2), processes=np.int64(1))  # type: ignore[arg-type]
    assert words[2:] == ["--nproc", "1"]
    assert "TOTAL_EPOCHS: 2" in Path(words[1]).read_text(encoding="utf-8")


@pytest.mark.parametrize("call", [pet.load, pet.evaluate, lambda source: pet.export(source, "a.onnx")])
def test_a_model_that_is_not_there(call: Callable[[Any], object]) -> None:
    for given, message in (
        ("nowhere", "nowhere: there is no such folder or file; give the folder of a training"),
        ("fruit", "fruit: there is no config.yaml in it"),
        (None, "source: None given, the folder of a training or a file in it expected"),
        ("", "source: '' given"),
    ):
        with pytest.raises(UserError, match=f"^{message}"):
            call(given)


def test_misspelt_arguments_are_guessed(model: pet.Model) -> None:
    for call in (pet.load, pet.evaluate):
        with pytest.raises(ConfigError, match=rf"^{call.__name__}: unknown argument 'confg'; did you mean config\?{HOW}$"):
            call("nowhere", confg="a")
    with pytest.raises(ConfigError, match="^evaluate: unknown argument 'datasets'"):
        model.evaluate(datasets=["digits_test"])
    with pytest.raises(ConfigError, match="^path: None given, a file to write expected"):
        model.export(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, r"NoneType given; uint8 \(H, W, 3\) in RGB expected"),
        ({"image": 1}, "dict given"),
        ([random_image(), None], "NoneType given"),
        (np.zeros((0, 0, 3), np.uint8), r"an array of uint8 \(0, 0, 3\) given"),
        (np.array([]), r"an array of float64 \(0,\) given"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"an array of uint8 \(2, 8, 8, 3\) given.*for several images give a list"),
        (np.zeros((8, 8, 3), np.int64), r"an array of int64 \(8, 8, 3\) given"),
        (np.zeros((3, 8, 8), np.uint8), r"an array \(3, 8, 8\) given, channels last expected, \(H, W, 3\): image.transpose\(1, 2, 0\)"),
        (np.full((8, 8, 3), np.nan, np.float32), "192 of 192 values are NaN or infinite"),
        (np.linspace(0, 1, 192).reshape(8, 8, 3), r"floats from 0 to 1 given, and the model divides them by 255.*\(255 \* image\).astype"),
    ],
)
def test_what_is_no_image(model: pet.Model, image: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"^Model.predict: {message}"):
        model.predict(image)


def test_files_that_are_no_images(model: pet.Model) -> None:
    Path("a.txt").write_text("hello\n", encoding="utf-8")
    for given, message in (("a.txt", "a.txt: not an image that can be decoded"), ("nowhere.png", "nowhere.png: the image cannot be read")):
        with pytest.raises(DataError, match=f"^{message}"):
            model.predict(given)
    with pytest.raises(ConfigError, match=r"^Model.predict_video: None given, the path of a video expected"):
        next(model.predict_video(None))  # type: ignore[arg-type]


def test_floats_are_pixels_from_0_to_255(model: pet.Model, tmp_path_factory: pytest.TempPathFactory) -> None:
    # sizes are changed without rounding
    image = random_image(8, 8)
    wanted = model.predict(image).probabilities
    for kind in (np.float16, np.float32, np.float64, np.int16):
        assert model.predict(image.astype(kind)).probabilities == pytest.approx(wanted, abs=2e-3)
    reflectances = ["TEST.TRANSFORMS=[Resize,{name: Normalize, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], maximum: 1.0}]"]
    other = pet.load(write_run(tmp_path_factory.mktemp("run") / "one", DIGITS, reflectances), device="cpu")
    assert other.predict((image / 255).astype(np.float32)).probabilities == pytest.approx(wanted, abs=2e-3)


def test_pictures_of_pil_are_seen_in_their_colours(model: pet.Model) -> None:
    image = Image.fromarray(random_image(8, 8) // 64 * 64)
    for mode in ("P", "RGBA", "L", "1"):
        changed = image.convert(mode)
        assert (model.predict(changed).image == np.asarray(changed.convert("RGB"))).all()
