"""Which licences let weights be used in products, and the yes that others need."""

from collections.abc import Sequence

from petlib.checkpoint.origin import UNKNOWN
from petlib.errors import ConfigError

PERMISSIVE = frozenset({"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "cc0-1.0", "cc-by-4.0"})
"""They allow products, and ask for no more than naming the authors."""
PAGES = {
    "dinov3-license": "https://ai.meta.com/resources/models-and-libraries/dinov3-license/",
    "pml-1.0": "https://github.com/roboflow/rf-detr",
    "cc-by-nc-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
}
"""Where those that are asked for most can be read; others are on the page of the weights."""


def is_free(licence: str) -> bool:
    """Return whether a licence is known to allow products, or belongs to random weights."""
    return licence in PERMISSIVE or not licence


def require_accepted(weights: str, licence: str, accepted: Sequence[str], *, page: str = "") -> None:
    """Check that a licence allows products, or that the user said yes to it; one that is not known is let pass.

    Args:
        weights: what is licensed, for the message.
        licence: in small letters, as on Hugging Face.
        accepted: licences that the user accepts.
        page: of the weights.

    Raises:
        ConfigError: it is neither.
    """
    if is_free(licence) or licence == UNKNOWN or licence in accepted:
        return
    raise ConfigError(
        f"require_accepted.accepted: the weights {weights} are licensed under {licence}, which is not free for every product, nor is what "
        f"is trained from them\n  read it ({PAGES.get(licence) or page or 'on the page of the weights'}); if you accept it, name it in "
        "require_accepted.accepted"
    )
