# Written by tools/docs/write_config_page.py (make docs) from the schemas; a test compares them. At run time each is a CfgNode.
from typing import Any, Literal

from pet.typed import PetConfig, PetData, PetEval, PetExport, PetTest, PetTrain
from petlib.config.typed import ConfigSection

class ActionTrainMixup(ConfigSection):
    MIXUP_ALPHA: float
    CUTMIX_ALPHA: float
    PROBABILITY: float
    SWITCH_PROBABILITY: float

class ActionTrain(PetTrain):
    MIXUP: ActionTrainMixup

class ActionTest(PetTest):
    VIEW_TRANSFORMS: list[Any]

class ActionModel(ConfigSection):
    NETWORK: str
    BACKBONE: str
    BACKBONE_ARGS: dict[str, Any]
    FRAMES: int
    NUM_CLASSES: int
    MULTI_LABEL: bool
    SYNC_BN: bool
    LABEL_SMOOTHING: float

class ActionConfig(PetConfig):
    """The settings of ``tasks/action``."""

    TRAIN: ActionTrain
    TEST: ActionTest
    MODEL: ActionModel

class ContrastModel(ConfigSection):
    BACKBONE: str
    BACKBONE_ARGS: dict[str, Any]
    SYNC_BN: bool

class ContrastContrastProjector(ConfigSection):
    LAYERS: int
    HIDDEN: int
    DIM: int
    NORM: Literal["batch", "layer", "none"]
    NORM_AT_END: bool

class ContrastContrastPredictor(ConfigSection):
    LAYERS: int
    HIDDEN: int

class ContrastContrastDino(ConfigSection):
    PROTOTYPES: int
    TEACHER_TEMPERATURE: list[float]
    WARM_UP_EPOCHS: int
    CENTRE_MOMENTUM: float
    FREEZE_EPOCHS: int

class ContrastContrastBarlow(ConfigSection):
    OFF_DIAGONAL: float
    SCALE: float

class ContrastContrast(ConfigSection):
    METHOD: Literal["simclr", "moco", "mocov3", "byol", "dino", "barlow_twins"]
    TEMPERATURE: float
    PROJECTOR: ContrastContrastProjector
    PREDICTOR: ContrastContrastPredictor
    MOMENTUM: list[float]
    QUEUE: int
    BATCH_NORM_GROUPS: int
    DINO: ContrastContrastDino
    BARLOW: ContrastContrastBarlow
    GRADIENT_CACHE: bool
    WEIGHT_DECAY_END: float | None

class ContrastProbe(ConfigSection):
    DATASETS: list[str]
    NEIGHBOURS: list[int]
    TEMPERATURE: float
    LINEAR: bool

class ContrastConfig(PetConfig):
    """The settings of ``tasks/contrast``."""

    MODEL: ContrastModel
    CONTRAST: ContrastContrast
    PROBE: ContrastProbe

class FaceTest(PetTest):
    FLIP: bool

class FaceEval(PetEval):
    FALSE_ACCEPTS: list[float]
    FALSE_POSITIVES: list[float]

class FaceModelMargin(ConfigSection):
    SCALE: float
    FACTOR: float
    ANGLE: float
    COSINE: float
    STRAIGHT_THROUGH: bool
    WARM_UP_EPOCHS: int

class FaceModel(ConfigSection):
    BACKBONE: str
    BACKBONE_ARGS: dict[str, Any]
    SYNC_BN: bool
    EMBEDDING: int
    NUM_CLASSES: int
    MARGIN: FaceModelMargin
    SAMPLE_RATE: float

class FaceConfig(PetConfig):
    """The settings of ``tasks/face``."""

    TEST: FaceTest
    EVAL: FaceEval
    MODEL: FaceModel

class InstanceTestViews(ConfigSection):
    FLIP: bool

class InstanceTestDetector(ConfigSection):
    CFG: str
    WEIGHTS: str
    SCORE: float

class InstanceTest(PetTest):
    BOXES: str
    BOX_SCORE: float
    DECODING: Literal["plain", "quarter", "dark"]
    OKS_NMS: float
    PARSING_THRESHOLD: float
    VIEWS: InstanceTestViews
    DETECTOR: InstanceTestDetector

class InstanceEval(PetEval):
    PCK: list[float]

class InstanceModelUpsampling(ConfigSection):
    METHOD: Literal["deconvolution", "bilinear"]
    CHANNELS: int

class InstanceModelKeypoints(ConfigSection):
    NUM_KEYPOINTS: int
    TARGET: Literal["gaussian", "offsets"]
    SIGMA: float
    RADIUS: float
    CONVENTION: Literal["pet", "msra", "udp"]
    CHANNELS: list[int]
    KERNEL: int
    LOSS_WEIGHT: float
    QUALITY: bool
    QUALITY_LOSS_WEIGHT: float

class InstanceModelMask(ConfigSection):
    CHANNELS: list[int]
    KERNEL: int
    LOSS_WEIGHT: float
    QUALITY: bool
    QUALITY_LOSS_WEIGHT: float

class InstanceModelParsing(ConfigSection):
    NUM_PARTS: int
    CHANNELS: list[int]
    KERNEL: int
    LOSS_WEIGHT: float
    QUALITY: bool
    QUALITY_LOSS_WEIGHT: float

class InstanceModel(ConfigSection):
    BACKBONE: str
    BACKBONE_ARGS: dict[str, Any]
    SYNC_BN: bool
    UPSAMPLING: InstanceModelUpsampling
    HAS_KEYPOINTS: bool
    HAS_MASK: bool
    HAS_PARSING: bool
    KEYPOINTS: InstanceModelKeypoints
    MASK: InstanceModelMask
    PARSING: InstanceModelParsing

class InstanceConfig(PetConfig):
    """The settings of ``tasks/instance``."""

    TEST: InstanceTest
    EVAL: InstanceEval
    MODEL: InstanceModel

class TddetTest(PetTest):
    SCORE_THRESHOLD: float
    NMS: float
    MAX_BOXES: int
    CANDIDATES: int
    CALIBRATION: str

class TddetData(PetData):
    FILTER_EMPTY: bool

class TddetExport(PetExport):
    COMPARE_SCORE: float

class TddetModelBlocks(ConfigSection):
    LAYERS: list[int]
    STRIDES: list[int]
    CHANNELS: list[int]
    UP_CHANNELS: int

class TddetModelDlaUp(ConfigSection):
    CHANNELS: int
    DEFORMABLE: bool

class TddetModelCamera(ConfigSection):
    FOCAL: float
    DEPTH: Literal["direct", "log", "ensemble"]
    DEPTH_MEAN: float
    DEPTH_DEVIATION: float
    ANGLE: Literal["vector", "bins"]
    ANGLE_WEIGHT: float
    ROWS: bool
    REACH: int
    MEAN_SIZES: list[Any]
    EDGE_CENTERS: bool
    EDGE_FUSION: bool
    HIDDEN: int
    CORNER_WEIGHT: float
    OFFSET_WEIGHT: float

class TddetModel(ConfigSection):
    NUM_CLASSES: int
    HEAD: Literal["center", "anchor", "camera"]
    SYNC_BN: bool
    RANGE: list[float]
    PILLAR: float
    POINT_CHANNELS: int
    WIDTH: int
    BLOCKS: TddetModelBlocks
    HEAD_CHANNELS: int
    ANCHORS: list[Any]
    BACKBONE: str
    BACKBONE_ARGS: dict[str, Any]
    FROZEN_BN: bool
    FROZEN_BN_EPS: float
    FREEZE_AT: int
    DLA_UP: TddetModelDlaUp
    CAMERA: TddetModelCamera

class TddetConfig(PetConfig):
    """The settings of ``tasks/tddet``."""

    TEST: TddetTest
    DATA: TddetData
    EXPORT: TddetExport
    MODEL: TddetModel
