"""The settings of fine-tuning a classifier on one's own images. Imports no torch, so that a mistake in a config is told at once."""

from pet.data.catalog.classes import infer_classes
from pet.data.config import DATA_SCHEMA
from pet.export.config import EXPORT_SCHEMA, check_export
from pet.models.config import MODEL_SCHEMA, check_model, check_num_classes
from petlib.config import PETLIB_SCHEMA, CfgNode, Key, Schema, merge_schemas

FINETUNE: Schema = {
    "FREEZE_EPOCHS": Key(
        0,
        "For so many epochs only the new classifier learns and the rest of the network stays as it is, batch-norm statistics included; -1: for the whole training.",
        unit="epochs",
        minimum=-1,
    ),
    "HEAD_LR_MULT": Key(
        1.0, "Factor of the learning rate of the classifier, which begins with random weights, against that of the rest.", minimum=0
    ),
    "DROP_RATE": Key(0.0, "Dropout before the classifier; needs a timm network.", minimum=0),
    "DROP_PATH_RATE": Key(
        0.0, "Stochastic depth (https://arxiv.org/abs/1603.09382), the rate of the last block; needs a timm network that has it.", minimum=0
    ),
}

CLS_SCHEMA: Schema = merge_schemas(
    PETLIB_SCHEMA,
    DATA_SCHEMA,
    MODEL_SCHEMA,
    EXPORT_SCHEMA,
    {
        "FINETUNE": FINETUNE,
        "MODEL": {
            "NUM_CLASSES": Key(
                0,
                "Number of classes; 0: as many as DATA.CLASSES names, or else as the first folder of TRAIN.DATASETS has sub-folders.",
                minimum=0,
            ),
        },
    },
)


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    return CfgNode(CLS_SCHEMA)


def infer_cfg(cfg: CfgNode) -> None:
    """Find the classes of the data where they are not given, and check what no single key can know.

    The names of the classes go into ``DATA.CLASSES``, so that the same label means the same class in all data sets and
    in later tests.

    Raises:
        ConfigError: no network is chosen, or the classes are neither given nor to be found.
        DataError: the folder of the training data is missing or holds no class folders.
    """
    check_model(cfg)
    check_export(cfg)
    infer_classes(cfg)
    if cfg.MODEL.NUM_CLASSES == 0:
        cfg.set("MODEL.NUM_CLASSES", len(cfg.DATA.CLASSES))
    check_num_classes(cfg)
