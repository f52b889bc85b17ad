"""The class that data sets derive from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any


class Dataset(ABC):
    """Samples by their number; a user's own class defines :attr:`size` and :meth:`sample`.

    Args:
        train_or_test: the part of the data: ``train``, ``val`` or ``test``, or what else a data set knows.
        dir: where the files are.
        ext_params: what else a data set wants to know.

    Attributes:
        train_or_test: as given.
        dir: as given.
        ext_params: as given; empty where nothing was.
    """

    def __init__(self, train_or_test: str = "train", dir: str | None = None, ext_params: Mapping[str, Any] | None = None) -> None:  # noqa: A002 -- antgo's name
        self.train_or_test = train_or_test
        self.dir = dir
        self.ext_params: dict[str, Any] = dict(ext_params or {})

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of samples."""

    @abstractmethod
    def sample(self, id: int) -> dict[str, Any]:  # noqa: A002 -- antgo's name
        """Return sample ``id``, from 0 to ``size - 1``: ``image`` as uint8 RGB (H, W, 3), and any other fields."""
