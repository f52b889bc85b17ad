"""A place for finished models: ``<storage>/models/<name>/<version>/`` with weights, ONNX, config, and a card that says what they are."""

import hashlib
import importlib.util
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from petlib.errors import OutputError
from petlib.files import write_text_atomically

MODELS = "models"
CARD = "card.json"
MLFLOW_ADDRESS = "MLFLOW_TRACKING_URI"
CHUNK_BYTES = 2**22


@dataclass(frozen=True)
class ModelCard:
    """What a finished model is.

    Attributes:
        name: of the model.
        version: counted from 1.
        description: by whoever trained it.
        classes: names of the classes, in the order of the labels.
        metrics: of the test.
        weights: what the training began with and under which licence that is, as far as it is known.
        files: name -> sha256 and bytes.
    """

    name: str
    version: int
    description: str
    classes: Sequence[str]
    metrics: Mapping[str, float]
    weights: Mapping[str, str]
    files: Mapping[str, Mapping[str, Any]]


def register_model(
    storage: Path,
    name: str,
    *,
    files: Mapping[str, Path],
    description: str,
    classes: Sequence[str],
    metrics: Mapping[str, float],
    weights: Mapping[str, str],
) -> Path:
    """Copy a finished model to its place as the next version, with its card, and return the folder.

    The card is written last: a folder without one is none that was finished.

    Args:
        storage: the shared folder.
        name: of the model.
        files: name in the folder -> the file.
        description: for whoever looks for a model.
        classes: names of the classes.
        metrics: of the test.
        weights: what the training began with, and its licence.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        folder = _next_version(storage / MODELS / name)
        for target, source in files.items():
            shutil.copyfile(source, folder / target)
        described = {target: {"sha256": _sha256(folder / target), "bytes": (folder / target).stat().st_size} for target in files}
        card = ModelCard(name, int(folder.name), description, list(classes), dict(metrics), dict(weights), described)
        write_text_atomically(folder / CARD, json.dumps(asdict(card), indent=1, ensure_ascii=False))
    except OSError as error:
        raise OutputError(f"{storage / MODELS / name}: the model cannot be registered: {error}") from error
    return folder


def read_card(folder: Path) -> ModelCard:
    """Return the card of a registered model."""
    return ModelCard(**json.loads((folder / CARD).read_text(encoding="utf-8")))


def newest_version(storage: Path, name: str) -> Path | None:
    """Return the folder of the newest finished version of a model; None: there is none."""
    finished = [path.parent for path in (storage / MODELS / name).glob(f"*/{CARD}")]
    return max(finished, key=lambda path: int(path.name), default=None)


def publish_to_mlflow(folder: Path) -> str:
    """Add a registered model to MLflow's registry where ``MLFLOW_TRACKING_URI`` is set; return what was done, in words, or nothing.

    Raises:
        ImportError: the address is set, and MLflow is not installed.
    """
    if not os.environ.get(MLFLOW_ADDRESS):
        return ""
    if importlib.util.find_spec("mlflow") is None:
        return f"{MLFLOW_ADDRESS} is set, but MLflow is not installed: the model is not in its registry (pip install mlflow)"
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    card, client = read_card(folder), MlflowClient()
    try:
        client.create_registered_model(card.name, description=card.description)
    except MlflowException as error:
        if getattr(error, "error_code", "") != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {"classes": ", ".join(card.classes), **{f"metric.{key}": f"{value:.6g}" for key, value in card.metrics.items()}, **card.weights}
    version = client.create_model_version(card.name, source=folder.as_uri(), description=card.description, tags=tags)
    return f"MLflow: {card.name}, version {version.version}"


def _next_version(models: Path) -> Path:
    """Make the folder of the next version; two that come at the same time get two."""
    models.mkdir(parents=True, exist_ok=True)
    version = 1 + max((int(path.name) for path in models.iterdir() if path.name.isdigit()), default=0)
    while True:
        try:
            (models / str(version)).mkdir()
        except FileExistsError:
            version += 1
        else:
            return models / str(version)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
