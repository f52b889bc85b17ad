"""What is exported of a network that gives embeddings, and whether they point where PyTorch's do."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from pet.exporting.network import TaskNetwork
from pet.exporting.script import Script
from pet.exporting.verify import largest_difference
from petlib.errors import ConfigError

LEAST_COSINE = 0.9999
"""Between an embedding of a file and PyTorch's: what compares embeddings compares their directions."""


class Embeddings(nn.Module):
    """A backbone that gives float32.

    Args:
        backbone: normalised images (B, 3, H, W) to embeddings (B, D).
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        """Return the embeddings (B, D)."""
        embeddings: Tensor = self.backbone(images)
        return embeddings.float()


class EmbeddingDifference:
    """Compares embeddings (B, D), and remembers the least cosine."""

    def __init__(self) -> None:
        self._least = 1.0

    def __call__(self, found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
        """Return the largest difference of two numbers, as a share of the largest one."""
        for one, other in zip(found, expected, strict=True):
            lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
            cosines = np.einsum("bd,bd->b", one.astype(np.float64), other.astype(np.float64)) / np.maximum(lengths, 1e-12)
            self._least = min(self._least, *cosines.tolist())
        return largest_difference(found, expected)

    def describe(self) -> str:
        """Return the least cosine, for a report.

        Raises:
            ConfigError: it is below :data:`LEAST_COSINE`.
        """
        # NaN is no cosine either
        if not self._least >= LEAST_COSINE:
            raise ConfigError(
                f"an embedding of the file and PyTorch's have a cosine of {self._least:.6f}, at least {LEAST_COSINE} expected; nothing was "
                "written. Leave out ExportSettings.half"
            )
        return f"least cosine {self._least:.6f}"


def embedding_network(backbone: nn.Module, *, flip: bool = False) -> TaskNetwork:
    """Return what is exported of a backbone: the input ``images`` and the output ``embedding`` (B, D), not normalised.

    Args:
        backbone: normalised images to embeddings.
        flip: what predicts with the file adds the embedding of the mirrored image.
    """
    difference = EmbeddingDifference()
    return TaskNetwork(
        network=Embeddings(backbone),
        output_names=["embedding"],
        half=["backbone"],
        exact_size=True,
        measure=difference,
        describe_comparison=difference.describe,
        script=Script("embeddings", {"flip": flip}),
    )
