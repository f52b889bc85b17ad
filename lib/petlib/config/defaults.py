"""The settings that every Pet run has, whatever it trains. A task adds its own sections in its ``config.py``."""

from typing import Any

from petlib.config.key import Effect, Key, Schema, Switch, with_effect

OPTIMIZERS = ("SGD", "ASGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adafactor", "Adagrad", "Adadelta", "RMSprop", "Rprop")
"""Optimizers of torch that a config can name."""


def _taken_by(*names: str) -> Switch:
    """Return the switch of an argument that only these of torch's optimizers take; a registered one may take it."""
    return Switch("SOLVER.OPTIMIZER.NAME", none_of=tuple(name for name in OPTIMIZERS if name not in names))


WARM_UP = Switch("SOLVER.SCHEDULER.WARM_UP_ITERS", also=(Switch("SOLVER.SCHEDULER.WARM_UP_EPOCHS"),))

MISC: Schema = {
    "NAME": Key("", "Name of the run in console lines. Empty: the name of the config file."),
    "CKPT": Key(
        "",
        "Output folder of the run: log, events, config, checkpoints, test results. Empty: ckpts/<the config's path below cfgs, without suffix>.",
        arguments=("Checkpointer.folder", "RunLock.folder", "setup_logging.folder", "write_record.folder", "JsonLinesWriter.path"),
    ),
    "DEVICE": Key(
        "auto",
        "Where to compute; auto takes CUDA when it is there.",
        choices=("auto", "cuda", "cpu"),
        effect=Effect.ROUNDING,
        arguments=("choose_device.name", "choose_devices.device"),
    ),
    "CUDNN": Key(True, "Let cuDNN measure and choose its algorithms (cudnn.benchmark); off where image sizes change with every batch."),
    "DETERMINISTIC": Key(
        False, "Use only deterministic algorithms on the GPU too; slower. On the CPU runs always repeat exactly.", effect=Effect.ROUNDING
    ),
    "TF32": Key(True, "Allow TensorFloat-32 in float32 matrix products and convolutions on NVIDIA GPUs.", effect=Effect.ROUNDING),
    "SEED": Key(3, "Seed of weights, order of samples and augmentation.", minimum=0, effect=Effect.OTHER_ORDER),
    "DISPLAY_ITER": Key(20, "Print and write metrics every so many iterations.", unit="iterations", minimum=1),
    "TENSORBOARD": Key(True, "Write TensorBoard events into the output folder.", arguments=("TensorBoardWriter",)),
    "COMPILE": Key(
        "never",
        "Compile the model with torch.compile; needs a C++ compiler, pays on long runs. cuda: only on a GPU.",
        choices=("never", "cuda", "always"),
        effect=Effect.ROUNDING,
    ),
    "CHANNELS_LAST": Key(
        False, "Keep images and convolution weights in channels-last memory order; faster with AMP on GPUs.", effect=Effect.ROUNDING
    ),
    "IMPORTS": Key([], "Modules of your own to import in every process, so that what they register can be named here.", type=list[str]),
    "DIST_TIMEOUT": Key(
        1800.0, "How long a process waits for the others in a collective operation before it fails.", unit="seconds", minimum=1
    ),
    "LOADER_TIMEOUT": Key(
        600.0,
        "How long the loader workers may take for a batch before the run fails; 0: without end.",
        unit="seconds",
        minimum=0,
        arguments=("load_batches.timeout",),
    ),
    "PROFILER": {
        "ENABLED": Key(False, "Record a few iterations with torch.profiler and write a trace into the output folder."),
        "START_ITER": Key(10, "First iteration to record.", unit="iterations", minimum=0, used_if=(Switch("MISC.PROFILER.ENABLED"),)),
        "ITERS": Key(5, "How many iterations to record.", unit="iterations", minimum=1, used_if=(Switch("MISC.PROFILER.ENABLED"),)),
    },
}

ANALYSER: Schema = {
    "ENABLED": Key(True, "Count and print parameters, FLOPs and activations of the model before training."),
}

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

TRAIN: Schema = {
    "WEIGHTS": Key(
        "",
        "Pretrained weights: a file, timm or torchvision (their published ones, when the network is there), or huggingface (those of D-FINE and RF-DETR), also huggingface/OWNER/NAME or a folder with its files. Empty: random.",
        effect=Effect.WEIGHTS_OF_CHECKPOINT,
        arguments=("classifier.library",),
    ),
    "WEIGHTS_MAP": Key(
        [],
        "Other names for the tensors of TRAIN.WEIGHTS: pairs of a regular expression and its replacement, [['^module\\.(.*)', 'backbone.\\1'], ...]; a name goes by the first that finds something in it.",
        type=list[list[str]],
        effect=Effect.WEIGHTS_OF_CHECKPOINT,
        used_if=(Switch("TRAIN.WEIGHTS", none_of=("", "timm", "torchvision")),),
        arguments=("load_weights.rename",),
    ),
    "AUTO_RESUME": Key(
        True,
        "Continue from model_latest.pth in the output folder when it is there.",
        effect=Effect.NONE,
        arguments=("Checkpointer.restore",),
    ),
    "METRICS_ON": Key(True, "Compute and print training metrics such as the accuracy of the batch.", effect=Effect.NONE),
    "BATCH_SIZE": Key(
        128,
        "Effective batch: samples of one optimizer step over all devices and accumulation parts.",
        unit="samples",
        minimum=1,
        effect=Effect.OTHER_BATCHES,
        arguments=("TrainLoader.batch_size",),
    ),
    "MICRO_BATCH": Key(
        0,
        "Most samples that a device computes at once: its part of the batch is cut into parts of at most so many, and the step is that of the whole batch. auto: as many as fit its memory with the largest images, found before the training; on the CPU all. 0: the batch is not cut. With a number and auto a part that runs out of memory is halved, and the run goes on.",
        type=int | str,
        choices=("auto",),
        unit="samples",
        minimum=0,
        effect=Effect.SAME_BATCH,
        arguments=("MicroBatchStep.size",),
    ),
    "PARALLEL": Key(
        "ddp",
        "How several processes share the work: ddp copies the model, fsdp shards it (FSDP2), dp is one process with nn.DataParallel, none trains without exchange.",
        choices=("ddp", "fsdp", "dp", "none"),
        arguments=("parallelize.mode",),
    ),
    "FIND_UNUSED_PARAMETERS": Key(
        False,
        "Let DDP look for parameters that took no part in a loss; needed for models with optional branches, slower.",
        effect=Effect.NONE,
        used_if=(Switch("TRAIN.PARALLEL", one_of=("ddp",)),),
    ),
    "NUM_WORKERS": Key(
        2,
        "Loader worker processes of each training process; 0 loads in the training process. Has no effect on the results.",
        minimum=0,
        effect=Effect.NONE,
        arguments=("TrainLoader.num_workers",),
    ),
    "PREFETCH": Key(
        2,
        "Batches that each worker prepares ahead.",
        unit="batches",
        minimum=1,
        effect=Effect.NONE,
        used_if=(Switch("TRAIN.NUM_WORKERS"),),
        arguments=("TrainLoader.prefetch",),
    ),
    "SHUFFLE": Key(True, "Go through the data in a new seeded order in every epoch.", effect=Effect.OTHER_ORDER),
}

TEST: Schema = {
    "WEIGHTS": Key(
        "",
        "Weights to test: a file; latest or best in the output folder. Empty: best where there is one, else latest.",
        arguments=("check_kinds.trained",),
    ),
    "WEIGHTS_MAP": Key(
        [],
        "The same as TRAIN.WEIGHTS_MAP, for TEST.WEIGHTS.",
        type=list[list[str]],
        used_if=(Switch("TEST.WEIGHTS"),),
    ),
    "IMS_PER_GPU": Key(128, "Images in one batch of one device.", unit="images", minimum=1),
    "NUM_WORKERS": Key(2, "Loader worker processes of each testing process.", minimum=0, arguments=("EvaluationLoader.num_workers",)),
    "USE_EMA": Key(True, "Test the moving average of the weights where the checkpoint has one."),
    "PRECISE_BN": {
        "ENABLED": Key(
            False, "Before each evaluation compute batch-norm statistics anew over training data (https://arxiv.org/abs/2105.07576)."
        ),
        "NUM_ITERS": Key(200, "Over how many batches.", unit="iterations", minimum=1, used_if=(Switch("TEST.PRECISE_BN.ENABLED"),)),
    },
}

EVAL: Schema = {
    "PERIOD_EPOCH": Key(
        0,
        "Evaluate every so many epochs while training; 0: not by epochs.",
        unit="epochs",
        minimum=0,
        used_if=(Switch("EVAL.PERIOD_ITER", one_of=(0,)),),
    ),
    "PERIOD_ITER": Key(
        0,
        "Evaluate every so many iterations; replaces PERIOD_EPOCH where it is set. The end of the training always evaluates.",
        unit="iterations",
        minimum=0,
    ),
    "BEST_METRIC": Key(
        "",
        "Metric whose best value model_best.pth keeps, e.g. cls/acc1. Empty: the first one of the task.",
        arguments=("EvaluationHook.best_metric",),
    ),
    "BEST_RULE": Key("greater", "Whether a greater or a less value of it is better.", choices=("greater", "less")),
    "EARLY_STOP": {
        "ENABLED": Key(False, "End the training when the best metric no longer improves."),
        "PATIENCE": Key(
            10,
            "After so many evaluations without an improvement.",
            unit="evaluations",
            minimum=1,
            used_if=(Switch("EVAL.EARLY_STOP.ENABLED"),),
        ),
        "MIN_DELTA": Key(0.0, "What counts as an improvement.", minimum=0, used_if=(Switch("EVAL.EARLY_STOP.ENABLED"),)),
    },
}

DATA: Schema = {
    "ON_ERROR": Key(
        "raise",
        "What happens in training when a sample cannot be read. raise: the run ends. skip: another sample of the data set, drawn from the seed, takes its place, and skipped_samples.jsonl in the output folder lists it. Evaluations always end.",
        choices=("raise", "skip"),
        arguments=("SampleReader.on_error", "check_samples.on_error"),
    ),
    "MAX_ERROR_SHARE": Key(
        0.01,
        "End the run when more than this share of the samples seen so far, and more than 10, could not be read.",
        minimum=0,
        used_if=(Switch("DATA.ON_ERROR", one_of=("skip",)),),
        arguments=("SkippedSamples.max_share",),
    ),
}

PETLIB_SCHEMA: Schema = {
    "MISC": with_effect(Effect.NONE, MISC),
    "ANALYSER": with_effect(Effect.NONE, ANALYSER),
    "SOLVER": SOLVER,
    "TRAIN": TRAIN,
    "TEST": with_effect(Effect.EVALUATIONS, TEST),
    "EVAL": with_effect(Effect.EVALUATIONS, EVAL),
    "DATA": DATA,
}

REPLACED = {"SOLVER.STOP_ON_NONFINITE": "SOLVER.NONFINITE, with stop for True and ignore for False"}
"""Keys of earlier versions, and what to write in their place."""
