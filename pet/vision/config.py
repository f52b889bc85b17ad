"""The settings of the general CNN. Imports no torch, so that a mistake in a config is told at once."""

from pet.data.classes import infer_classes
from pet.data.config import DATA_SCHEMA
from pet.models.config import MODEL_SCHEMA, check_model, check_num_classes
from pet.vision.heads.table import HEADS, head_switches
from petlib.config import PETLIB_SCHEMA, CfgNode, ConfigError, Key, Schema, merge_schemas

VISION_SCHEMA: Schema = merge_schemas(
    PETLIB_SCHEMA,
    DATA_SCHEMA,
    MODEL_SCHEMA,
    {"MODEL": {switch: Key(False, head.meaning) for switch, head in HEADS.items()}},
)


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    return CfgNode(VISION_SCHEMA)


def infer_cfg(cfg: CfgNode) -> None:
    """Check what no single key can know.

    Raises:
        ConfigError: no network or no head is chosen, or the number of classes is missing.
    """
    check_model(cfg)
    if not head_switches(cfg):
        raise ConfigError(f"MODEL: no head is switched on; set {' or '.join(f'MODEL.{switch}' for switch in HEADS)} to True")
    if cfg.MODEL.HAS_CLS:
        infer_classes(cfg)
        check_num_classes(cfg)
