import hashlib
from pathlib import Path

import pytest

from pet.cluster.models import newest_version, publish_to_mlflow, read_card, register_model
from petlib.errors import OutputError


def register(storage: Path, source: Path) -> Path:
    return register_model(
        storage,
        "land",
        files={"model.pth": source},
        description="说明",
        classes=["a", "b"],
        metrics={"semseg/mIoU": 0.5},
        weights={"began_with": "random weights"},
    )


def test_each_model_gets_the_next_version_and_a_card(tmp_path: Path) -> None:
    source = tmp_path / "model_best.pth"
    source.write_bytes(b"weights")
    assert newest_version(tmp_path, "land") is None
    assert register(tmp_path, source) == tmp_path / "models" / "land" / "1"
    # one that was not finished is neither taken nor replaced
    (tmp_path / "models" / "land" / "2").mkdir()
    assert newest_version(tmp_path, "land") == tmp_path / "models" / "land" / "1"
    place = register(tmp_path, source)
    assert place.name == "3" and newest_version(tmp_path, "land") == place
    card = read_card(place)
    assert (card.version, card.description, card.classes, card.metrics) == (3, "说明", ["a", "b"], {"semseg/mIoU": 0.5})
    assert card.files == {"model.pth": {"sha256": hashlib.sha256(b"weights").hexdigest(), "bytes": 7}}


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the model cannot be registered"):
        register(tmp_path, tmp_path / "nowhere.pth")


def test_mlflow_is_for_those_who_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert publish_to_mlflow(tmp_path) == ""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "MLflow is not installed" in publish_to_mlflow(tmp_path)
