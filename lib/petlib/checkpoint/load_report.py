"""What became of the weights in a file."""

from dataclasses import dataclass, field
from typing import NamedTuple

from petlib.errors import CheckpointError

LONGEST_NAME = 200


def shown_name(name: object) -> str:
    """Return a name of a file as messages show it: cut, and without line breaks and what moves the cursor."""
    text = str(name) if isinstance(name, str) else f"a {type(name).__name__}"
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}..."


class Mismatch(NamedTuple):
    """A tensor whose shape, or kind of numbers, in the file is not the one in the model."""

    name: str
    file_shape: tuple[int, ...]
    model_shape: tuple[int, ...]
    file_kind: str = ""
    model_kind: str = ""

    def __str__(self) -> str:
        return (
            f"{self.name} {list(self.file_shape)} {self.file_kind}".rstrip()
            + f" in the file, {list(self.model_shape)} {self.model_kind}".rstrip()
            + " in the model"
        )


@dataclass(frozen=True)
class LoadReport:
    """Which tensors of a model took their values from a file.

    Attributes:
        source: the file.
        matched: names in the model that took the value of the file.
        missing: names in the model that the file does not have.
        unexpected: names in the file that the model does not have.
        mismatched: names that both have with different shapes, or one with whole numbers or complex ones and the other not.
    """

    source: str
    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[Mismatch] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether file and model agree in every name and shape."""
        return not (self.missing or self.unexpected or self.mismatched)

    def summary(self, most: int = 8) -> str:
        """Return a readable text of a few lines: counts, and up to ``most`` names of each kind."""
        lines = [f"{self.source}: {len(self.matched)} tensors matched"]
        for kind, names in (("missing", self.missing), ("unexpected", self.unexpected), ("mismatched", [*map(str, self.mismatched)])):
            if names:
                more = f", and {len(names) - most} more" if len(names) > most else ""
                lines.append(f"  {len(names)} {kind}: {', '.join(map(shown_name, names[:most]))}{more}")
        return "\n".join(lines)

    def require_complete(self) -> None:
        """Accept only weights of exactly this architecture, as for testing or resuming.

        Raises:
            CheckpointError: a name or a shape differs; the message lists the first ones.
        """
        if not self.complete:
            raise CheckpointError(
                f"the weights are those of another architecture: {self.summary()}\n  use the config that they were trained with"
            )
