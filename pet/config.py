"""The settings that every task has. Imports no torch."""

from typing import Any

from pet.data.config import DATA_SCHEMA
from pet.exporting.config import EXPORT_SCHEMA
from pet.models.config import NETWORK_SCHEMA
from pet.visual.settings import VIS_SCHEMA
from petlib.config import PETLIB_SCHEMA, Effect, Key, Schema, Switch, merge_schemas, with_effect

FINETUNE: Schema = {
    "FREEZE_EPOCHS": Key(
        0,
        "For so many epochs only the head learns and the rest of the network stays as it is, batch-norm statistics included; -1: for the whole training.",
        unit="epochs",
        minimum=-1,
    ),
    "HEAD_LR_MULT": Key(
        1.0, "Factor of the learning rate of the head, which begins with random weights, against that of the rest.", minimum=0
    ),
    "HEAD": Key(
        "",
        "Which parameters are the head: a regular expression that is searched in their names. Empty: of a classifier the last layer, else all outside of the backbone or encoder.",
        used_if=(Switch("FINETUNE.FREEZE_EPOCHS", also=(Switch("FINETUNE.HEAD_LR_MULT", none_of=(1.0,)),)),),
    ),
}

METRICS: Schema = {
    "METRICS": Key(
        [],
        "Further metrics in addition to those of the task: names or mappings {name: boundary_iou, ...its arguments} of what a module of MISC.IMPORTS registers in pet.evaluation.METRICS.",
        type=list[Any],
    )
}

REPORT: Schema = {
    "ENABLED": Key(
        True, "Write report.html into the output folder after a training and a test: curves, figures, pictures of samples, settings."
    ),
    "SAMPLES": Key(
        8,
        "How many of the best and of the worst samples of a test are drawn; 0: none, and no pictures at evaluations.",
        minimum=0,
        used_if=(Switch("REPORT.ENABLED"),),
    ),
}

TASK_SCHEMA: Schema = merge_schemas(
    PETLIB_SCHEMA,
    DATA_SCHEMA,
    NETWORK_SCHEMA,
    VIS_SCHEMA,
    EXPORT_SCHEMA,
    {"FINETUNE": FINETUNE, "EVAL": with_effect(Effect.EVALUATIONS, METRICS), "REPORT": with_effect(Effect.NONE, REPORT)},
)
