"""A place for finished models: ``<storage>/models/<name>/<version>/`` with weights, ONNX, config, and a card that says what they are."""

import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pet.cluster.model_storage import open_models
from petlib.addresses import address_of
from petlib.errors import OutputError

MLFLOW_ADDRESS = "MLFLOW_TRACKING_URI"


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


class RegisteredModel(NamedTuple):
    """A finished version of a model.

    Attributes:
        place: of its files, a folder or an address in a store.
        card: what it is.
    """

    place: str
    card: ModelCard


def register_model(
    storage: str,
    name: str,
    *,
    files: Mapping[str, Path],
    description: str,
    classes: Sequence[str],
    metrics: Mapping[str, float],
    weights: Mapping[str, str],
) -> RegisteredModel:
    """Copy a finished model to its place as the next version, with its card.

    The card is written last: a version without one is none that was finished.

    Args:
        storage: the shared folder, or an address in a store.
        name: of the model.
        files: name in its place -> the file.
        description: for whoever looks for a model.
        classes: names of the classes.
        metrics: of the test.
        weights: what the training began with, and its licence.

    Raises:
        OutputError: it cannot be written.
        StoreError: the store refuses or does not answer, or has other bytes than were sent.
    """
    models = open_models(storage)
    try:
        version = models.begin(name)
        described = {
            target: {"sha256": models.add(source, name, version, target), "bytes": source.stat().st_size}
            for target, source in files.items()
        }
        card = ModelCard(name, version, description, list(classes), dict(metrics), dict(weights), described)
        models.write_card(name, version, json.dumps(asdict(card), indent=1, ensure_ascii=False))
    except OSError as error:
        raise OutputError(f"{storage}: the model {name} cannot be registered: {error}") from error
    return RegisteredModel(models.place_of(name, version), card)


def newest_model(storage: str, name: str) -> RegisteredModel | None:
    """Return the newest finished version of a model; None: there is none.

    Raises:
        StoreError: the store refuses or does not answer.
    """
    models = open_models(storage)
    version = max(models.finished(name), default=None)
    if version is None:
        return None
    return RegisteredModel(models.place_of(name, version), ModelCard(**json.loads(models.read_card(name, version))))


def publish_to_mlflow(model: RegisteredModel) -> str:
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

    (place, card), client = model, MlflowClient()
    try:
        client.create_registered_model(card.name, description=card.description)
    except MlflowException as error:
        if getattr(error, "error_code", "") != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {"classes": ", ".join(card.classes), **{f"metric.{key}": f"{value:.6g}" for key, value in card.metrics.items()}, **card.weights}
    version = client.create_model_version(
        card.name, source=place if address_of(place) else Path(place).as_uri(), description=card.description, tags=tags
    )
    return f"MLflow: {card.name}, version {version.version}"
