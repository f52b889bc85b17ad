"""Which module holds the head that a switch of the config turns on. Imports no torch: the config is made from it."""

from typing import NamedTuple

from pet.vision.heads import settings
from petlib.config import CfgNode, Key, Schema, merge_schemas


class HeadEntry(NamedTuple):
    """A line of the table.

    Attributes:
        module: what :class:`pet.vision.heads.protocol.HeadModule` describes.
        meaning: what the switch does, for the reference of all keys.
        targets: the kinds of targets that it learns from, keys of :data:`pet.data.targets.kinds.TARGET_FIELDS`.
        settings: keys of its own.
        needs: the switch of the head whose regions it looks into; empty: it looks at the whole image.
    """

    module: str
    meaning: str
    targets: tuple[str, ...]
    settings: Schema = {}
    needs: str = ""


HEADS = {
    "HAS_CLS": HeadEntry("pet.vision.heads.classification", "Classify whole images.", ("label",)),
    "HAS_BOX": HeadEntry("pet.vision.heads.box", "Find objects.", ("boxes",), settings.BOX),
    "HAS_MASK": HeadEntry("pet.vision.heads.mask", "Outline each object that is found.", ("masks",), settings.MASK, "HAS_BOX"),
    "HAS_KEYPOINTS": HeadEntry(
        "pet.vision.heads.keypoints", "Find the keypoints of each object.", ("keypoints",), settings.KEYPOINTS, "HAS_BOX"
    ),
    "HAS_PARSING": HeadEntry("pet.vision.heads.parsing", "Tell the parts of each object.", ("parsing",), settings.PARSING, "HAS_BOX"),
    "HAS_SEMSEG": HeadEntry("pet.vision.heads.semseg", "Give every pixel a class.", ("semseg",), settings.SEMSEG),
}
"""Switch below ``MODEL``, off by default -> head, in the order in which they work. A new head is a new module and a line here."""


def heads_schema() -> Schema:
    """Return the keys of all heads: the switch of each, and its own."""
    switches: Schema = {"MODEL": {switch: Key(False, head.meaning) for switch, head in HEADS.items()}}
    return merge_schemas(switches, *(head.settings for head in HEADS.values()))


def head_switches(cfg: CfgNode) -> list[str]:
    """Return the switches that are on, in the order of the table."""
    return [switch for switch in HEADS if cfg.MODEL[switch]]


def target_kinds(cfg: CfgNode) -> tuple[str, ...]:
    """Return the kinds of targets that the heads learn from."""
    return tuple(kind for switch in head_switches(cfg) for kind in HEADS[switch].targets)
