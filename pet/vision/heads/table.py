"""Which module holds the head that a switch of the config turns on. Imports no torch: the config is checked with it."""

from petlib.config import CfgNode

HEADS: dict[str, str] = {
    "HAS_CLS": "pet.vision.heads.classification",
}
"""Switch below ``MODEL`` -> module of the head, see :class:`pet.vision.heads.protocol.HeadModule`. A new head is a new module
and a line here."""


def head_switches(cfg: CfgNode) -> list[str]:
    """Return the switches that are on, in the order of the table."""
    return [switch for switch in HEADS if cfg.MODEL[switch]]
