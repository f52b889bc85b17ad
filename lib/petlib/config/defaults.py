"""The settings that every Pet run has, whatever it trains. A task adds its own sections in its ``config.py``."""

from petlib.config.key import Effect, Key, Schema, Switch, with_effect
from petlib.config.solver_defaults import SOLVER

MISC: Schema = {
    "NAME": Key("", "Name of the run in console lines. Empty: the name of the config file."),
    "CKPT": Key(
        "",
        "Output folder of the run: log, events, config, checkpoints, test results. Empty: ckpts/<the config's path below cfgs, without suffix>.",
        arguments=("Checkpointer.folder", "RunLock.folder", "setup_logging.folder", "write_record.folder", "JsonLinesWriter.path"),
    ),
    "STORAGE": Key(
        "",
        "Address of the run in a store of objects, s3://bucket/prefix (gs://, az://), of this run alone: its checkpoints and results are uploaded while it trains, and a start fetches the newest whole checkpoint. Empty: they stay in CKPT.",
        arguments=("CheckpointStore.address",),
    ),
    "STORAGE_TIMEOUT": Key(
        600.0,
        "How long the end of a run waits for its last upload before it fails; after a signal at most 60.",
        unit="seconds",
        minimum=0,
        arguments=("Uploader.timeout",),
        used_if=(Switch("MISC.STORAGE"),),
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
    "TRACKERS": Key(
        [],
        "Experiment trackers that keep settings, figures, pictures and a checkpoint, in addition to TensorBoard: mlflow, wandb, trackio, or one that is registered. Addresses and tokens come from the environment variables of each.",
        type=list[str],
        effect=Effect.NONE,
        arguments=("check_trackers.names",),
    ),
    "TRACKED_CHECKPOINT": Key(
        "best",
        "The checkpoint that trackers keep when the training ends.",
        choices=("best", "last", "none"),
        effect=Effect.NONE,
        used_if=(Switch("MISC.TRACKERS"),),
    ),
    "TRACKED_MAX_MB": Key(
        100.0,
        "A larger checkpoint is not sent to trackers.",
        unit="MB",
        minimum=0,
        effect=Effect.NONE,
        used_if=(Switch("MISC.TRACKERS"),),
        arguments=("TrackersHook.max_megabytes",),
    ),
    "TRACKERS_TIMEOUT": Key(
        60.0,
        "How long the end of the training waits for trackers; what they have not recorded then is lost to them.",
        unit="seconds",
        minimum=0,
        effect=Effect.NONE,
        used_if=(Switch("MISC.TRACKERS"),),
        arguments=("TrackersHook.timeout",),
    ),
    "COMPILE": Key(
        "never",
        "Compile the model with torch.compile; needs a C++ compiler, pays on long runs. cuda: only on a GPU. auto: only on a GPU, in trainings of 10,000 iterations or more; goes on without where compiling fails.",
        choices=("never", "auto", "cuda", "always"),
        effect=Effect.ROUNDING,
        arguments=("CompilationHook",),
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
