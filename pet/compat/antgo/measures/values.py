"""What measures are given, as arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from petlib.errors import DataError
from petlib.suggest import did_you_mean

Values = Mapping[str, Any]
"""The prediction or the truth of one sample: name -> array, tensor or number."""


def array_of(values: Values, key: str, where: str) -> np.ndarray:
    """Return one of the values as an array in main memory.

    Args:
        values: the prediction or the truth of a sample.
        key: its name.
        where: whose they are, for messages: ``"SegMIOU: prediction 3"``.

    Raises:
        DataError: it is missing, or no numbers.
    """
    if key not in values:
        raise DataError(f"{where} has no {key!r}{did_you_mean(key, values)} (it has {', '.join(map(str, values)) or 'nothing'})")
    value = values[key]
    try:
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    except ValueError as error:
        raise DataError(f"{where}: {key!r} is no array: {error}") from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"{where}: {key!r} holds {array.dtype}, numbers expected")
    return array
