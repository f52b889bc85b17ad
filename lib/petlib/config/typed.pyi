# Written by tools/docs/write_config_page.py (make docs) from the schemas; a test compares them. At run time each is a CfgNode.
from typing import Any, Literal, Self

from petlib.config.key import Schema

class ConfigSection:
    """What every section of a config has next to its settings."""

    schema: Schema
    def get(self, name: str, default: Any = None) -> Any: ...
    def __getitem__(self, name: str) -> Any: ...
    def __contains__(self, name: object) -> bool: ...
    def set(self, key: str, value: Any) -> None: ...
    def to_dict(self) -> dict[str, Any]: ...
    def dump(self) -> str: ...
    def clone(self) -> Self: ...
    def freeze(self) -> None: ...
    def defrost(self) -> None: ...
    def flat(self) -> dict[str, Any]: ...
    def given(self) -> dict[str, str]: ...
    def read_keys(self) -> frozenset[str]: ...

class PetlibMiscProfiler(ConfigSection):
    ENABLED: bool
    START_ITER: int
    ITERS: int

class PetlibMisc(ConfigSection):
    NAME: str
    CKPT: str
    STORAGE: str
    STORAGE_TIMEOUT: float
    DEVICE: Literal["auto", "cuda", "cpu"]
    CUDNN: bool
    DETERMINISTIC: bool
    TF32: bool
    SEED: int
    DISPLAY_ITER: int
    TENSORBOARD: bool
    TRACKERS: list[str]
    TRACKED_CHECKPOINT: Literal["best", "last", "none"]
    TRACKED_MAX_MB: float
    TRACKERS_TIMEOUT: float
    COMPILE: Literal["never", "auto", "cuda", "always"]
    CHANNELS_LAST: bool
    IMPORTS: list[str]
    DIST_TIMEOUT: float
    LOADER_TIMEOUT: float
    PROFILER: PetlibMiscProfiler

class PetlibAnalyser(ConfigSection):
    ENABLED: bool

class PetlibSolverOptimizer(ConfigSection):
    NAME: str
    BASE_LR: float
    MOMENTUM: float
    NESTEROV: bool
    BETAS: list[float]
    WEIGHT_DECAY: float
    WEIGHT_DECAY_NORM: float
    WEIGHT_DECAY_BIAS: float
    FUSED: Literal["auto", "always", "never"]
    ARGS: dict[str, Any]
    RULES: list[dict[str, Any]]
    LAYER_DECAY: float

class PetlibSolverScheduler(ConfigSection):
    NAME: Literal["step", "cosine", "poly", "linear", "exponential", "constant"]
    TOTAL_EPOCHS: int
    TOTAL_ITERS: int
    STEPS: list[int]
    GAMMA: float
    POWER: float
    MIN_LR: float
    WARM_UP_ITERS: int
    WARM_UP_EPOCHS: float | None
    WARM_UP_FACTOR: float
    WARM_UP_METHOD: Literal["linear", "exponential", "constant"]

class PetlibSolverClipGradients(ConfigSection):
    METHOD: Literal["none", "norm", "value"]
    VALUE: float

class PetlibSolverAmp(ConfigSection):
    ENABLED: bool | str
    DTYPE: Literal["bf16", "fp16"]

class PetlibSolverEma(ConfigSection):
    ENABLED: bool
    DECAY: float

class PetlibSolver(ConfigSection):
    OPTIMIZER: PetlibSolverOptimizer
    SCHEDULER: PetlibSolverScheduler
    ACCUMULATION: int
    CLIP_GRADIENTS: PetlibSolverClipGradients
    AMP: PetlibSolverAmp
    EMA: PetlibSolverEma
    SNAPSHOT_ITER: int
    SNAPSHOT_EPOCH: int
    SNAPSHOT_KEEP: int
    SNAPSHOT_BACKGROUND: bool
    SNAPSHOT_ON_ERROR: Literal["stop", "continue"]
    SNAPSHOT_TIMEOUT: float
    NONFINITE: Literal["stop", "skip", "rollback", "ignore"]
    NONFINITE_LIMIT: int

class PetlibTrain(ConfigSection):
    WEIGHTS: str
    WEIGHTS_MAP: list[list[str]]
    AUTO_RESUME: bool
    METRICS_ON: bool
    BATCH_SIZE: int
    MICRO_BATCH: int | Literal["auto"]
    PARALLEL: Literal["ddp", "fsdp", "dp", "none"]
    FIND_UNUSED_PARAMETERS: bool
    NUM_WORKERS: int
    PREFETCH: int
    SHUFFLE: bool

class PetlibTestPreciseBn(ConfigSection):
    ENABLED: bool
    NUM_ITERS: int

class PetlibTest(ConfigSection):
    WEIGHTS: str
    WEIGHTS_MAP: list[list[str]]
    IMS_PER_GPU: int
    NUM_WORKERS: int
    USE_EMA: bool
    PRECISE_BN: PetlibTestPreciseBn

class PetlibEvalEarlyStop(ConfigSection):
    ENABLED: bool
    PATIENCE: int
    MIN_DELTA: float

class PetlibEval(ConfigSection):
    PERIOD_EPOCH: int
    PERIOD_ITER: int
    BEST_METRIC: str
    BEST_RULE: Literal["greater", "less"]
    EARLY_STOP: PetlibEvalEarlyStop

class PetlibData(ConfigSection):
    ON_ERROR: Literal["raise", "skip"]
    MAX_ERROR_SHARE: float

class PetlibConfig(ConfigSection):
    """The settings that every run has."""

    MISC: PetlibMisc
    ANALYSER: PetlibAnalyser
    SOLVER: PetlibSolver
    TRAIN: PetlibTrain
    TEST: PetlibTest
    EVAL: PetlibEval
    DATA: PetlibData
