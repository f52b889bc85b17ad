"""Which module holds the head that a switch of the config turns on. Imports no torch: the config is made from it."""

from typing import NamedTuple

from petlib.config import CfgNode


class HeadEntry(NamedTuple):
    """A line of the table.

    Attributes:
        module: what :class:`pet.vision.heads.protocol.HeadModule` describes.
        meaning: what the switch does, for the reference of all keys.
    """

    module: str
    meaning: str


HEADS = {
    "HAS_CLS": HeadEntry("pet.vision.heads.classification", "Classify whole images."),
}
"""Switch below ``MODEL``, off by default -> head. A new head is a new module and a line here."""


def head_switches(cfg: CfgNode) -> list[str]:
    """Return the switches that are on, in the order of the table."""
    return [switch for switch in HEADS if cfg.MODEL[switch]]
