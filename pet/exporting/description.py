"""What a trained network takes and what its channels mean; it travels in ONNX files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pet import __version__
from pet.visual.names import BACKGROUND, TargetNames
from petlib.checkpoint.origin import UNKNOWN, Origin
from petlib.errors import CheckpointError

LATER_FIELDS = ("outputs", "names", "licence", "began_with")
"""Those that files of earlier versions lack."""
FIELDS = ("classes", "mean", "std", "maximum", "threshold", "bands", "normalizes")


@dataclass(frozen=True)
class ModelDescription:
    """What a network takes and gives.

    Attributes:
        classes: names, the background among them; empty: they are not known.
        mean: of the channels, see :class:`pet.data.transforms.normalize.Normalize`.
        std: likewise.
        maximum: the pixel value that becomes 1; None: 255, and images of 16 bits are brought to 0 to 255 first.
        threshold: probability from which a pixel belongs to class 1, where the network has one channel.
        bands: the bands of a file that become the channels, counted from 1; empty: all.
        normalizes: the network normalises its images itself.
        outputs: what the outputs are, in their order, whatever the file calls them, e.g. ``logits``; empty: as the file calls them.
        names: of classes, keypoints and parts by kind of target, as the training knew them; empty: they are not known.
        licence: of the weights that the training began with; empty: of random ones.
        began_with: these weights; empty: random ones.
    """

    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    maximum: float | None = None
    threshold: float = 0.5
    bands: tuple[int, ...] = ()
    normalizes: bool = False
    outputs: tuple[str, ...] = ()
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    licence: str = UNKNOWN
    began_with: str = ""

    def with_names(self, names: Mapping[str, Sequence[str]]) -> "ModelDescription":
        """Return the description with the names that the training knew, the classes first; without such as it is."""
        return replace(self, classes=tuple(next(iter(names.values()))), names=dict(names)) if names else self

    def with_origin(self, origin: Origin) -> "ModelDescription":
        """Return the description with what the training began with."""
        return replace(self, licence=origin.licence, began_with=origin.weights)

    def is_background(self, label: int) -> bool:
        """Return whether a class is the background: by its name, or 0 where there are two classes or no names."""
        if len(self.classes) in (0, 2):
            return label == 0
        return label < len(self.classes) and self.classes[label].lower() in BACKGROUND

    def name_of(self, label: int) -> str:
        """Return the name of a class; its number where it has none."""
        return self.classes[label] if label < len(self.classes) else str(label)

    def target_names(self) -> TargetNames:
        """Return the names for pictures, in which the background has no colour."""
        names = self.classes or ("0",)
        shown = tuple(BACKGROUND[0] if self.is_background(label) else name for label, name in enumerate(names))
        return TargetNames(semseg_classes=shown)

    def to_metadata(self) -> dict[str, str]:
        """Return the description as texts, for the metadata of an ONNX file."""
        return {"pet_version": __version__, **{name: json.dumps(getattr(self, name)) for name in (*FIELDS, *LATER_FIELDS)}}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], *, name: str) -> "ModelDescription":
        """Return the description that an ONNX file holds; ``name`` is for messages.

        Raises:
            CheckpointError: the file has none, for instance because another program made it.
        """
        missing = [key for key in FIELDS if key not in metadata]
        if missing:
            raise CheckpointError(f"{name}: the ONNX file does not say its {', '.join(missing)}; export it with Pet")
        values: dict[str, Any] = {}
        for key in (*FIELDS, *(key for key in LATER_FIELDS if key in metadata)):
            try:
                value = json.loads(metadata[key])
            except json.JSONDecodeError as error:
                raise CheckpointError(f"{name}: {key}: {metadata[key]!r} in the ONNX file is no JSON; export it with Pet") from error
            values[key] = tuple(value) if isinstance(value, list) else value
        return cls(**values)
