"""The settings of the optimizer, its schedule, and what else belongs to a step: the section ``SOLVER`` of every run."""

from typing import Any

from petlib.config.key import Effect, Key, Schema, Switch, with_effect

OPTIMIZERS = ("SGD", "ASGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adafactor", "Adagrad", "Adadelta", "RMSprop", "Rprop")
"""Optimizers of torch that a config can name."""


def _taken_by(*names: str) -> Switch:
    """Return the switch of an argument that only these of torch's optimizers take; a registered one may take it."""
    return Switch("SOLVER.OPTIMIZER.NAME", none_of=tuple(name for name in OPTIMIZERS if name not in names))


WARM_UP = Switch("SOLVER.SCHEDULER.WARM_UP_ITERS", also=(Switch("SOLVER.SCHEDULER.WARM_UP_EPOCHS"),))

SOLVER: Schema = {
    "OPTIMIZER": {
        "NAME": Key(
            "SGD",
            "Optimizer: SGD, ASGD, Adam, AdamW, NAdam, RAdam, Adamax, Adafactor, Adagrad, Adadelta, RMSprop, Rprop, Lars (timm's, with rates for each layer, which leaves out what has no weight decay) or one that is registered.",
            effect=Effect.REFUSED,
        ),
        "BASE_LR": Key(0.1, "Learning rate at the effective batch size, before warm-up and schedule.", minimum=0),
        "MOMENTUM": Key(0.9, "Momentum of SGD and RMSprop.", minimum=0, used_if=(_taken_by("SGD", "RMSprop"),)),
        "NESTEROV": Key(False, "Nesterov momentum for SGD.", used_if=(_taken_by("SGD"),)),
        "BETAS": Key(
            [0.9, 0.999],
            "Decay rates of the running means of the Adam family.",
            type=list[float],
            used_if=(_taken_by("Adam", "AdamW", "NAdam", "RAdam", "Adamax"),),
        ),
        "WEIGHT_DECAY": Key(1e-4, "Weight decay (L2 for SGD and Adam, decoupled for AdamW).", minimum=0),
        "WEIGHT_DECAY_NORM": Key(0.0, "Weight decay of normalisation layers' weights.", minimum=0),
        "WEIGHT_DECAY_BIAS": Key(0.0, "Weight decay of biases.", minimum=0),
        "FUSED": Key(
            "auto",
            "Fused implementation of the optimizer; auto uses it where torch has one for the device.",
            choices=("auto", "always", "never"),
        ),
        "ARGS": Key({}, "Further arguments of the optimizer by its own names, e.g. {eps: 1.0e-6}."),
        "RULES": Key(
            [],
            "Per-parameter rules, the first match counts: {pattern: regular expression on the name, lr_mult: 0.1, weight_decay: 0.0, freeze: false}.",
            type=list[dict[str, Any]],
        ),
        "LAYER_DECAY": Key(
            1.0,
            "The rate of each layer is this share of the next one's, for fine-tuning; a layer is a numbered block such as blocks.3 of the backbone; 1: all the same.",
            minimum=0,
        ),
    },
    "SCHEDULER": with_effect(
        Effect.OTHER_SCHEDULE,
        {
            "NAME": Key(
                "step",
                "Schedule of the learning rate after warm-up.",
                choices=("step", "cosine", "poly", "linear", "exponential", "constant"),
            ),
            "TOTAL_EPOCHS": Key(
                0, "Length of the training in epochs; exactly one of TOTAL_EPOCHS and TOTAL_ITERS is positive.", unit="epochs", minimum=0
            ),
            "TOTAL_ITERS": Key(0, "Length of the training in iterations (optimizer steps).", unit="iterations", minimum=0),
            "STEPS": Key(
                [],
                "When the step schedule multiplies the rate by GAMMA, in the unit of the length that is set.",
                type=list[int],
                unit="epochs or iterations",
                used_if=(Switch("SOLVER.SCHEDULER.NAME", one_of=("step",)),),
            ),
            "GAMMA": Key(
                0.1,
                "Factor of the step schedule at each step; of the exponential schedule over the whole length.",
                minimum=0,
                used_if=(Switch("SOLVER.SCHEDULER.NAME", one_of=("step", "exponential")),),
            ),
            "POWER": Key(0.9, "Exponent of the poly schedule.", minimum=0, used_if=(Switch("SOLVER.SCHEDULER.NAME", one_of=("poly",)),)),
            "MIN_LR": Key(
                0.0,
                "Rate at the end of the cosine, poly and linear schedules.",
                minimum=0,
                used_if=(Switch("SOLVER.SCHEDULER.NAME", one_of=("cosine", "poly", "linear")),),
            ),
            "WARM_UP_ITERS": Key(
                0,
                "Length of the warm-up in iterations; always iterations.",
                unit="iterations",
                minimum=0,
                used_if=(Switch("SOLVER.SCHEDULER.WARM_UP_EPOCHS", one_of=(None,)),),
            ),
            "WARM_UP_EPOCHS": Key(
                None,
                "Length of the warm-up in epochs; replaces WARM_UP_ITERS where it is set.",
                type=float | None,
                unit="epochs",
                minimum=0,
            ),
            "WARM_UP_FACTOR": Key(0.1, "The warm-up starts at this share of the learning rate.", minimum=0, used_if=(WARM_UP,)),
            "WARM_UP_METHOD": Key(
                "linear",
                "Shape of the warm-up.",
                choices=("linear", "exponential", "constant"),
                used_if=(WARM_UP,),
            ),
        },
    ),
    "ACCUMULATION": Key(
        1,
        "Split the batch of a device into so many parts, computed one after another; the step is the same, memory falls.",
        minimum=1,
        effect=Effect.SAME_BATCH,
    ),
    "CLIP_GRADIENTS": {
        "METHOD": Key("none", "Clip gradients by their joint norm or each value by itself.", choices=("none", "norm", "value")),
        "VALUE": Key(1.0, "The limit.", minimum=0, used_if=(Switch("SOLVER.CLIP_GRADIENTS.METHOD", none_of=("none",)),)),
    },
    "AMP": {
        "ENABLED": Key(
            False,
            "Automatic mixed precision. auto: on a GPU, in bf16 where it has that and in fp16 else; off on the CPU.",
            type=bool | str,
            choices=(False, True, "auto"),
        ),
        "DTYPE": Key(
            "bf16",
            "Low precision type; fp16 is trained with a gradient scaler.",
            choices=("bf16", "fp16"),
            used_if=(Switch("SOLVER.AMP.ENABLED", one_of=(True,)),),
        ),
    },
    "EMA": {
        "ENABLED": Key(False, "Keep an exponential moving average of the weights; evaluation and test use it."),
        "DECAY": Key(
            0.999,
            "Share of the average that stays at each iteration; it is lower in the first iterations.",
            minimum=0,
            used_if=(Switch("SOLVER.EMA.ENABLED"),),
        ),
    },
    "SNAPSHOT_ITER": Key(
        0,
        "Save a checkpoint every so many iterations; replaces SNAPSHOT_EPOCH where it is set.",
        unit="iterations",
        minimum=0,
        effect=Effect.NONE,
    ),
    "SNAPSHOT_EPOCH": Key(
        1,
        "Save a checkpoint every so many epochs; 0: not by epochs. The last iteration and a new best model are always saved.",
        unit="epochs",
        minimum=0,
        effect=Effect.NONE,
        used_if=(Switch("SOLVER.SNAPSHOT_ITER", one_of=(0,)),),
    ),
    "SNAPSHOT_KEEP": Key(
        2,
        "How many model_iter<N>.pth to keep, the newest; 0: all. model_latest.pth and model_best.pth always stay.",
        minimum=0,
        effect=Effect.NONE,
    ),
    "SNAPSHOT_BACKGROUND": Key(True, "Write checkpoints in the background while training goes on.", effect=Effect.NONE),
    "SNAPSHOT_ON_ERROR": Key(
        "stop",
        "What happens when a checkpoint cannot be saved (full disk, read-only or stalled folder): stop ends the run, continue goes on and tries again at the next interval; the last one of a run has to succeed.",
        choices=("stop", "continue"),
        arguments=("CheckpointHook.on_error",),
    ),
    "SNAPSHOT_TIMEOUT": Key(
        600.0,
        "After so long a checkpoint that is still not on the disk counts as failed; the next save waits until then.",
        unit="seconds",
        minimum=1,
        arguments=("Checkpointer.timeout",),
    ),
    "NONFINITE": Key(
        "stop",
        "What happens when loss or gradients are NaN or infinite. stop: the run ends before such weights are evaluated or saved. skip: the optimizer leaves out the iteration, which counts all the same; every iteration then waits for the device. rollback: weights, optimizer and schedules go back to the last checkpoint, and the run goes on with the data after the iteration that failed. ignore: nothing.",
        choices=("stop", "skip", "rollback", "ignore"),
    ),
    "NONFINITE_LIMIT": Key(
        5,
        "So many skipped iterations in a row, or so many times back to a checkpoint without a new one in between, are let pass; one more ends the run.",
        minimum=1,
        used_if=(Switch("SOLVER.NONFINITE", one_of=("skip", "rollback")),),
        arguments=("SkippedStepsHook.limit", "RollbackHook.limit"),
    ),
}
