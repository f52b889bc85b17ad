"""What losses check of their inputs."""

from torch import Tensor

from petlib.errors import DataError


def check_same_shape(name: str, prediction: Tensor, target: Tensor) -> None:
    """Refuse inputs that torch would stretch to a common shape, which is never what was meant.

    Raises:
        DataError: the shapes differ.
    """
    if prediction.shape != target.shape:
        raise DataError(f"{name}: a prediction {tuple(prediction.shape)} and a target {tuple(target.shape)} given; one shape expected")
