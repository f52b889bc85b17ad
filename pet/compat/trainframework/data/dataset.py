"""The base of a user's data set."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from pet.compat.trainframework.transforms.build import Pipeline, build_transforms
from pet.compat.trainframework.transforms.fields import Results
from petlib.errors import ConfigError


class EngineDataSet(ABC):
    """A data set whose samples go through the transforms of the config.

    A subclass hands its ``transformer`` on, fills ``self.dataset`` with whatever it needs to find its samples, and gives in
    ``__getitem__`` a dictionary of numpy arrays, tensors and numbers; ``meta``, a dictionary, may hold anything else.
    What ``__getitem__`` draws from the global generators of python, numpy and torch follows from the seed of the run.

    Args:
        transformer: the entries of the config, ``dict(name="RandomFlip", p=0.5)``, or objects that are called with ``results`` and
            return them changed; None: nothing is done.

    Attributes:
        dataset: what the samples are made of, one element each.
    """

    dataset: Sequence[Any] = ()
    _pipeline: Pipeline | None = None

    def __init__(self, transformer: Sequence[Any] | None = None) -> None:
        self._pipeline = build_transforms(transformer or [])

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.dataset)

    @abstractmethod
    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return a sample; ``index`` runs from 0 to the length minus 1."""

    def data_pipeline(self, results: Results) -> Results:
        """Return ``results`` after all transforms.

        Args:
            results: ``img``, ``img_shape``, ``img_fields`` and so on, see :mod:`pet.compat.trainframework.transforms.fields`.

        Raises:
            ConfigError: ``__init__`` of this class was not called.
            DataError: a field that is listed is missing, or holds what a transform cannot change.
        """
        if self._pipeline is None:
            raise ConfigError(
                f"{type(self).__name__}: it has no transforms yet; call super().__init__(transformer) in its __init__ before data_pipeline"
            )
        return self._pipeline(results)
