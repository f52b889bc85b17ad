"""The table of published weights, ``models.yaml``, which the command ``pet-models`` prints. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from petlib.checkpoint.origin import UNKNOWN

TABLE = Path(__file__).with_name("models.yaml")
SHARED = "_"
"""Beginning of the names of what entries have in common."""
BYTES = 4
"""Of a parameter, in a file of float32."""


@dataclass(frozen=True)
class PublishedModel:
    """An entry of the table, whose comment says what the fields are."""

    name: str
    task: str
    weights: str
    source: str
    licence: str = UNKNOWN
    detector: str = ""
    size: str = ""
    parameters: float = 0.0
    figures: Mapping[str, float] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    normalize: Mapping[str, Any] = field(default_factory=dict)
    few_labels: bool = False
    config: str = ""

    @property
    def shown_figures(self) -> str:
        """The figures in a line, with what they were measured on."""
        return ", ".join(f"{value:g} ms on a T4" if name == "ms" else f"{value:g} {name}" for name, value in self.figures.items())

    @property
    def megabytes(self) -> int:
        """Size of the weights as float32; 0: not known."""
        return round(self.parameters * BYTES)


@cache
def published_models() -> Mapping[str, PublishedModel]:
    """Return all entries by name, in the order of the table."""
    entries = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {name: PublishedModel(name=name, **values) for name, values in entries.items() if not name.startswith(SHARED)}


def find_model(weights: str) -> PublishedModel | None:
    """Return the entry whose weights ``TRAIN.WEIGHTS`` calls so, or whose name it is."""
    models = published_models()
    return models.get(weights) or next((model for model in models.values() if model.weights == weights), None)


def sized_models(detector: str) -> Mapping[str, PublishedModel]:
    """Return the entries of a detector that has sizes, by size."""
    return {model.size: model for model in published_models().values() if model.detector == detector and model.size}
