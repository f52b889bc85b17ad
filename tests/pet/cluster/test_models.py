"""Finished models in a folder and in a real store on loopback: versions, cards, and what is not whole."""

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from pet.cluster.model_storage import ModelStore
from pet.cluster.models import RegisteredModel, newest_model, publish_to_mlflow, register_model
from petlib.errors import OutputError, StoreError
from petlib.object_store import ObjectStore
from tests.object_stores import Proxy, open_store


@pytest.fixture(scope="module")
def service() -> Iterator[Proxy]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch, open_store("bucket", patch.setenv) as proxy:
        yield proxy


@pytest.fixture
def proxy(service: Proxy) -> Iterator[Proxy]:
    yield service
    service.fault = lambda method, path: ""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "model_best.pth"
    path.write_bytes(b"weights")
    return path


def register(storage: Path | str, source: Path) -> RegisteredModel:
    return register_model(
        str(storage),
        "land",
        files={"model.pth": source},
        description="说明",
        classes=["a", "b"],
        metrics={"semseg/mIoU": 0.5},
        weights={"began_with": "random weights"},
    )


def check_card(model: RegisteredModel, version: int) -> None:
    card = model.card
    assert (card.version, card.description, card.classes, card.metrics) == (version, "说明", ["a", "b"], {"semseg/mIoU": 0.5})
    assert card.files == {"model.pth": {"sha256": hashlib.sha256(b"weights").hexdigest(), "bytes": 7}}


def test_each_model_gets_the_next_version_and_a_card(tmp_path: Path, source: Path) -> None:
    assert newest_model(str(tmp_path), "land") is None
    assert register(tmp_path, source).place == str(tmp_path / "models" / "land" / "1")
    # one that was not finished is neither taken nor replaced
    (tmp_path / "models" / "land" / "2").mkdir()
    newest = newest_model(str(tmp_path), "land")
    assert newest is not None and newest.place == str(tmp_path / "models" / "land" / "1")
    model = register(tmp_path, source)
    assert model.place == str(tmp_path / "models" / "land" / "3") and newest_model(str(tmp_path), "land") == model
    check_card(model, 3)


def test_a_store_has_the_same_versions_and_cards(proxy: Proxy, source: Path) -> None:
    storage, store = "s3://bucket/jobs", ObjectStore()
    assert newest_model(storage, "land") is None
    assert register(storage, source).place == "s3://bucket/jobs/models/land/1"
    # another job is at it
    assert store.create("s3://bucket/jobs/models/land/2/claimed_by.json", b"{}")
    newest = newest_model(storage, "land")
    assert newest is not None and newest.card.version == 1
    model = register(storage, source)
    assert newest_model(storage, "land") == model
    check_card(model, 3)
    assert {item.name for item in store.list("s3://bucket/jobs/models/land/3")} == {"model.pth", "card.json"}
    assert json.loads(store.get("s3://bucket/jobs/models/land/3/card.json"))["description"] == "说明"


def test_an_upload_that_is_cut_off_or_changed_makes_no_version(proxy: Proxy, source: Path) -> None:
    storage = "s3://bucket/faults"
    models = ModelStore(storage, retry_seconds=0.5)
    assert models.begin("land") == 1 and models.add(source, "land", 1, "model.pth") == hashlib.sha256(b"weights").hexdigest()
    proxy.fault = lambda method, path: "busy"
    with pytest.raises(StoreError, match="models/land/1/card.json: the store gave no answer"):
        models.write_card("land", 1, "{}")
    for fault in ("change", "cut"):
        proxy.fault = lambda method, path, fault=fault: fault if method == "GET" and path.endswith("model.pth") else ""  # type: ignore[misc]
        with pytest.raises(StoreError, match=r"models/land/\d/model.pth: 7 bytes were sent 3 times, and \d others came back"):
            register(storage, source)
    proxy.fault = lambda method, path: ""
    assert newest_model(storage, "land") is None
    assert register(storage, source).card.version == 4


def test_bytes_that_are_changed_once_are_sent_again(proxy: Proxy, source: Path) -> None:
    changed: list[str] = []

    def once(method: str, path: str) -> str:
        if method == "GET" and path.endswith("model.pth") and not changed:
            changed.append(path)
            return "change"
        return ""

    proxy.fault = once
    check_card(register("s3://bucket/once", source), 1)
    assert changed


def test_wrong_credentials_and_buckets_are_one_message(proxy: Proxy, source: Path) -> None:
    with pytest.raises(StoreError, match="^s3://elsewhere/models/land: there is no such bucket$"):
        newest_model("s3://elsewhere", "land")
    proxy.fault = lambda method, path: "refuse"
    with pytest.raises(StoreError, match="s3://bucket/models/land: the store refuses: .*AWS_ACCESS_KEY_ID"):
        newest_model("s3://bucket", "land")


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the model land cannot be registered"):
        register(tmp_path, tmp_path / "nowhere.pth")


def test_mlflow_is_for_those_who_have_it(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = register(tmp_path, source)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert publish_to_mlflow(model) == ""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "MLflow is not installed" in publish_to_mlflow(model)
