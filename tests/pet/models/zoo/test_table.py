"""The table of published weights, and what its command prints and fetches."""

from pathlib import Path

import pytest
import timm
from torchvision import models as torchvision_models

from pet.commands import models
from pet.commands.models import weights_of
from pet.models.zoo.licences import is_free
from pet.models.zoo.sources import torchvision_weights
from pet.models.zoo.table import PublishedModel, find_model, published_models
from petlib.errors import ConfigError
from petlib.launch.start.resolve import CONFIG_FOLDER
from tests.integration.conftest import ROOT

WITH_FILES = [model for model in published_models().values() if model.weights]


@pytest.mark.parametrize("model", WITH_FILES, ids=lambda model: model.name)
def test_each_entry_agrees_with_its_library(model: PublishedModel) -> None:
    weights = weights_of(model)
    assert weights.licence == model.licence
    assert set(model.sha256) <= {file.name for file in weights.files}
    if model.weights == "timm":
        assert timm.get_pretrained_cfg(model.name.removeprefix("timm/")) is not None
    if model.weights.startswith("torchvision/"):
        meta = torchvision_models.get_model_weights(model.weights.removeprefix("torchvision/")).DEFAULT.meta
        figures = meta["_metrics"]["COCO-val2017"]
        assert list(model.figures.values()) == list(figures.values())
        assert model.parameters == pytest.approx(meta["num_params"] / 1e6, abs=0.005)
        assert weights.files[0].sha256 == model.sha256[weights.files[0].name]


def test_configs_of_the_table_exist_and_name_its_figures() -> None:
    for model in published_models().values():
        if model.config:
            text = (ROOT / CONFIG_FOLDER / model.config).read_text(encoding="utf-8")
            figures = [
                f"{value} {name.removeprefix('COCO ').removeprefix('box ')}" for name, value in model.figures.items() if name != "ms"
            ]
            assert model.detector == "" or all(f"{figure} on coco_2017_val" in text for figure in figures), model.name


def test_licences_that_are_not_free_for_products() -> None:
    assert sorted({model.licence for model in published_models().values() if not is_free(model.licence)}) == ["dinov3-license", "pml-1.0"]
    assert torchvision_weights("vit_h_14").licence == "cc-by-nc-4.0"
    entry = find_model("huggingface/Roboflow/rf-detr-nano")
    assert entry is not None
    assert (entry.name, entry.shown_figures, entry.megabytes) == ("rfdetr_nano", "48.4 COCO box AP, 2.3 ms on a T4", 122)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], str]:
    with pytest.raises(SystemExit) as done:
        models.main(words)
    printed = capsys.readouterr()
    assert isinstance(done.value.code, int)
    return done.value.code, printed.out.splitlines(), printed.err


def test_the_command_lists_what_has_the_word(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = run(capsys, "dinov3")
    assert code == 0
    assert all("dinov3-license *" in line for line in lines[1:-1])
    code, lines, _ = run(capsys, "dfine_s")
    assert lines[1].split() == [
        "dfine_s",
        "detection",
        "48.5",
        "COCO",
        "box",
        "AP,",
        "3.49",
        "ms",
        "on",
        "a",
        "T4",
        "10.31",
        "M,",
        "about",
        "41",
        "MB",
        "apache-2.0",
    ]
    assert lines[2:] == [
        "figures and licence: https://github.com/Peterande/D-FINE",
        "TRAIN.WEIGHTS: huggingface/ustc-community/dfine-small-coco",
        "sha256: unknown here; that of the server is compared, where it has one",
        "config: vision/coco/dfine_s.yaml",
    ]
    code, lines, error = run(capsys, "dfin_s")
    assert (code, lines) == (2, [])
    assert "no entry has 'dfin_s' in it; did you mean dfine_s" in error
    assert error.rstrip().endswith("; pet-models lists all")


def test_a_download_without_a_network_says_what_to_put_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PET_MODELS", str(tmp_path))
    code, _, error = run(capsys, "download", "dfine_n")
    assert code == 2
    assert f"put them into {tmp_path}/ustc-community/dfine-nano-coco" in error
    folder = tmp_path / "ustc-community" / "dfine-nano-coco"
    for name in ("config.json", "model.safetensors"):
        (folder / name).touch()
    code, lines, _ = run(capsys, "download", "dfine_n")
    assert (code, lines) == (0, [f"{folder}/config.json", f"{folder}/model.safetensors", "dfine_n: licensed under apache-2.0"])


def test_a_download_asks_for_a_yes(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "timm/vit_small_patch16_dinov3.lvd1689m"
    code, _, error = run(capsys, "download", name)
    assert code == 2
    assert error.startswith(f"error: --accept: the weights {name} are licensed under dinov3-license")
    monkeypatch.setenv("PET_MODELS", str(tmp_path))
    (tmp_path / name).mkdir(parents=True)
    (tmp_path / name / "model.safetensors").touch()
    assert run(capsys, "download", name, "--accept", "dinov3-license")[0] == 0


def test_what_cannot_be_downloaded() -> None:
    with pytest.raises(ConfigError, match=r"rfdetr_xlarge: Pet has no network for these weights \(pml-1.0\)"):
        weights_of(published_models()["rfdetr_xlarge"])
