"""What a user's ``run_step`` is given."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from petlib.data.protocols import Batch
from petlib.errors import DataError
from petlib.suggest import did_you_mean


class NamedFields(dict[str, Any]):
    """The fields of a batch; one that is asked for and not there is told with those that are.

    Args:
        fields: names and values.
        source: what gave them, for messages.
    """

    def __init__(self, fields: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), *, source: str = "the data set") -> None:
        super().__init__(fields)
        self._source = source

    def __missing__(self, key: str) -> Any:
        names = [str(name) for name in self]
        raise DataError(
            f"{self._source} gives no field {key!r}{did_you_mean(str(key), names)}\n"
            f"  its samples have: {', '.join(names)}; what __getitem__ returns are the fields of data in run_step"
        )


class NameFields:
    """Makes a batch :class:`NamedFields`.

    Args:
        source: the name of the data set.
    """

    def __init__(self, source: str) -> None:
        self._source = f"the data set {source}"

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Return the batch."""
        return NamedFields(batch, source=self._source)
