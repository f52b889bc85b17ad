# Written by tools/docs/write_config_page.py (make docs) from the schemas; a test compares them. At run time each is a CfgNode.
from typing import Any, Literal

from pet.typed.projects import LandcoverConfig as LandcoverConfig
from pet.typed.tasks import ActionConfig as ActionConfig
from pet.typed.tasks import ContrastConfig as ContrastConfig
from pet.typed.tasks import FaceConfig as FaceConfig
from pet.typed.tasks import InstanceConfig as InstanceConfig
from pet.typed.tasks import TddetConfig as TddetConfig
from petlib.config.typed import ConfigSection, PetlibAnalyser, PetlibConfig, PetlibData, PetlibEval, PetlibMisc, PetlibTest, PetlibTrain

class PetMisc(PetlibMisc):
    DATA_ROOT: str
    ACCEPTED_LICENCES: list[str]
    CONV1_RGB2BGR: bool

class PetAnalyser(PetlibAnalyser):
    SIZE: list[int]

class PetTrainResize(ConfigSection):
    SCALES: list[int]

class PetTrain(PetlibTrain):
    DATASETS: list[str]
    TRANSFORMS: list[Any]
    RESIZE: PetTrainResize
    ASPECT_GROUPING: bool
    REPEAT_THRESHOLD: float

class PetTestResize(ConfigSection):
    SCALES: list[int]

class PetTest(PetlibTest):
    DATASETS: list[str]
    TRANSFORMS: list[Any]
    RESIZE: PetTestResize

class PetEval(PetlibEval):
    METRICS: list[Any]

class PetDataShards(ConfigSection):
    GROUP: int
    LANES: int
    CACHE_FOLDER: str
    CACHE_SIZE: float
    RETRY_SECONDS: float

class PetData(PetlibData):
    CATALOG: dict[str, Any]
    CLASSES: list[str]
    OTHER_CLASSES: Literal["refuse", "skip"]
    ALLOW_OUTSIDE: bool
    MAX_PIXELS: int
    MAX_FILE_BYTES: int
    CACHE: Literal["none", "disk", "memory", "device"]
    CACHE_FOLDER: str
    CACHE_SPARE: float
    SHARDS: PetDataShards
    CHECK_SAMPLES: int

class PetVisCls(ConfigSection):
    ENABLED: bool
    TOP_COUNT: int

class PetVisBox(ConfigSection):
    ENABLED: bool

class PetVisMask(ConfigSection):
    ENABLED: bool
    ALPHA: float

class PetVisKeypoints(ConfigSection):
    ENABLED: bool
    SCORE_THRESHOLD: float

class PetVisParsing(ConfigSection):
    ENABLED: bool
    ALPHA: float

class PetVisSemseg(ConfigSection):
    ENABLED: bool
    ALPHA: float

class PetVisDots(ConfigSection):
    ENABLED: bool

class PetVisDensity(ConfigSection):
    ENABLED: bool
    ALPHA: float

class PetVis(ConfigSection):
    SCORE_THRESHOLD: float
    SCALE: float
    LABELS: bool
    LEGEND: bool
    CLS: PetVisCls
    BOX: PetVisBox
    MASK: PetVisMask
    KEYPOINTS: PetVisKeypoints
    PARSING: PetVisParsing
    SEMSEG: PetVisSemseg
    DOTS: PetVisDots
    DENSITY: PetVisDensity

class PetExport(ConfigSection):
    SIZE: list[int]
    BATCH: int
    DYNAMIC: bool
    NORMALIZE: bool
    INPUT_NAMES: list[str]
    OUTPUT_NAMES: list[str]
    HALF: bool
    SAMPLES: int
    TOLERANCE: float
    TIME_LIMIT: float
    FORMATS: list[str]
    CALIBRATION: int
    MAX_DROP: float
    FLOAT_LAYERS: list[str]
    HALF_TOLERANCE: float

class PetFinetune(ConfigSection):
    FREEZE_EPOCHS: int
    HEAD_LR_MULT: float
    HEAD: str

class PetReport(ConfigSection):
    ENABLED: bool
    SAMPLES: int

class PetConfig(PetlibConfig):
    """The settings that every task of Pet has."""

    MISC: PetMisc
    ANALYSER: PetAnalyser
    TRAIN: PetTrain
    TEST: PetTest
    EVAL: PetEval
    DATA: PetData
    VIS: PetVis
    EXPORT: PetExport
    FINETUNE: PetFinetune
    REPORT: PetReport

class VisionTrainMixup(ConfigSection):
    MIXUP_ALPHA: float
    CUTMIX_ALPHA: float
    PROBABILITY: float
    SWITCH_PROBABILITY: float

class VisionTrainSliding(ConfigSection):
    SIZE: int
    BACKGROUND: float
    MIN_SHARE: float

class VisionTrain(PetTrain):
    MIXUP: VisionTrainMixup
    SLIDING: VisionTrainSliding

class VisionTestViews(ConfigSection):
    SCALES: list[float]
    FLIP: bool

class VisionTestSliding(ConfigSection):
    SIZE: int
    OVERLAP: float

class VisionTestSoftNms(ConfigSection):
    METHOD: Literal["never", "linear", "gaussian"]
    SIGMA: float

class VisionTestInterval(ConfigSection):
    CALIBRATION: str
    SHARE: float

class VisionTest(PetTest):
    VIEWS: VisionTestViews
    SLIDING: VisionTestSliding
    SCORE_THRESHOLD: float
    NMS: float
    DETECTIONS_PER_IMAGE: int
    SOFT_NMS: VisionTestSoftNms
    PARSING_THRESHOLD: float
    TRACKER: str | dict[str, Any]
    DOT_THRESHOLD: float
    INTERVAL: VisionTestInterval

class VisionEval(PetEval):
    BOX_METRICS: list[str]
    DOT_RADII: list[float]

class VisionData(PetData):
    FILTER_EMPTY: bool

class VisionExport(PetExport):
    COMPARE_SCORE: float

class VisionFinetune(PetFinetune):
    DROP_RATE: float
    DROP_PATH_RATE: float

class VisionModelLossWeighting(ConfigSection):
    METHOD: Literal["fixed", "uncertainty"]
    START: dict[str, Any]

class VisionModelFpn(ConfigSection):
    CHANNELS: int
    LEVELS: list[int]
    TOP: Literal["auto", "pool", "p6p7", "none"]

class VisionModelDlaUp(ConfigSection):
    CHANNELS: int
    DEFORMABLE: bool

class VisionModelBoxRpn(ConfigSection):
    PRE_NMS_TRAIN: int
    PRE_NMS_TEST: int
    POST_NMS_TRAIN: int
    POST_NMS_TEST: int
    NMS: float
    BATCH_SIZE: int
    POSITIVE_FRACTION: float
    POSITIVE_IOU: float
    NEGATIVE_IOU: float

class VisionModelBoxRoi(ConfigSection):
    BATCH_SIZE: int
    POSITIVE_FRACTION: float
    POSITIVE_IOU: float
    POOL: int
    HIDDEN: int
    CASCADE_IOUS: list[float]

class VisionModelBoxCenternet(ConfigSection):
    HIDDEN: int
    EDGES: bool
    SIZE_WEIGHT: float
    OFFSET_WEIGHT: float

class VisionModelBoxDfine(ConfigSection):
    SIZE: str
    ARGS: dict[str, Any]

class VisionModelBoxRfdetr(ConfigSection):
    SIZE: str
    MASK_EDGE: int
    ARGS: dict[str, Any]

class VisionModelBox(ConfigSection):
    DETECTOR: str
    ANCHOR_SIZES: list[list[int]]
    ASPECT_RATIOS: list[float]
    RPN: VisionModelBoxRpn
    ROI: VisionModelBoxRoi
    PRIOR: float
    CONVOLUTIONS: int
    CENTERNET: VisionModelBoxCenternet
    DFINE: VisionModelBoxDfine
    RFDETR: VisionModelBoxRfdetr

class VisionModelMask(ConfigSection):
    POOL: int
    CHANNELS: list[int]

class VisionModelKeypoints(ConfigSection):
    NUM_KEYPOINTS: int
    LABELS: list[int]
    POOL: int
    CHANNELS: list[int]

class VisionModelParsing(ConfigSection):
    NUM_PARTS: int
    LABELS: list[int]
    POOL: int
    CHANNELS: list[int]
    CONTEXT: bool
    RESCORE: bool
    LOSS_WEIGHT: float
    RESCORE_LOSS_WEIGHT: float

class VisionModelIdentity(ConfigSection):
    NUM_IDENTITIES: int
    HIDDEN: int
    EMBEDDING: int

class VisionModelSurfaceLossWeights(ConfigSection):
    PART: float
    MASK: float
    UV: float

class VisionModelSurface(ConfigSection):
    NUM_PARTS: int
    POOL: int
    CHANNELS: list[int]
    CONTEXT: bool
    DECODER: bool
    POSITIVE_IOU: float
    LOSS_WEIGHTS: VisionModelSurfaceLossWeights

class VisionModelSemseg(ConfigSection):
    DECODER: Literal["fcn", "fpn", "unet", "upernet", "deeplabv3plus", "pspnet", "segformer"]
    DECODER_ARGS: dict[str, Any]
    NUM_CLASSES: int
    LOSSES: list[Any]
    LOSS_WEIGHT: float
    CLASS_WEIGHTS: list[float]

class VisionModelDensityTransport(ConfigSection):
    WEIGHT: float
    REGULARIZATION: float
    ITERATIONS: int

class VisionModelDensitySquared(ConfigSection):
    WEIGHT: float
    SIGMA: float

class VisionModelDensity(ConfigSection):
    STRIDE: int
    CHANNELS: list[int]
    DILATION: int
    ACTIVATION: Literal["softplus", "relu"]
    COUNT_WEIGHT: float
    VARIATION_WEIGHT: float
    TRANSPORT: VisionModelDensityTransport
    SQUARED: VisionModelDensitySquared

class VisionModelDots(ConfigSection):
    STRIDE: int
    LINES: int
    CHANNELS: int
    CONVOLUTIONS: int
    DISTANCE_WEIGHT: float
    BACKGROUND_WEIGHT: float
    OFFSET_WEIGHT: float

class VisionModel(ConfigSection):
    BACKBONE: str
    BACKBONE_ARGS: dict[str, Any]
    NUM_CLASSES: int
    LABEL_SMOOTHING: float
    SYNC_BN: bool
    FROZEN_BN: bool
    FROZEN_BN_EPS: float
    FREEZE_AT: int
    NECK: str
    LOSS_WEIGHTING: VisionModelLossWeighting
    HAS_CLS: bool
    HAS_BOX: bool
    HAS_MASK: bool
    HAS_KEYPOINTS: bool
    HAS_PARSING: bool
    HAS_IDENTITY: bool
    HAS_SURFACE: bool
    HAS_SEMSEG: bool
    HAS_DENSITY: bool
    HAS_DOTS: bool
    FPN: VisionModelFpn
    DLA_UP: VisionModelDlaUp
    BOX: VisionModelBox
    MASK: VisionModelMask
    KEYPOINTS: VisionModelKeypoints
    PARSING: VisionModelParsing
    IDENTITY: VisionModelIdentity
    SURFACE: VisionModelSurface
    SEMSEG: VisionModelSemseg
    DENSITY: VisionModelDensity
    DOTS: VisionModelDots

class VisionConfig(PetConfig):
    """The settings of the general CNN, and of ``tasks/cls``."""

    TRAIN: VisionTrain
    TEST: VisionTest
    EVAL: VisionEval
    DATA: VisionData
    EXPORT: VisionExport
    FINETUNE: VisionFinetune
    MODEL: VisionModel

class SegmentationTestViews(ConfigSection):
    SCALES: list[float]
    FLIP: bool

class SegmentationTestSliding(ConfigSection):
    SIZE: int
    OVERLAP: float

class SegmentationTest(PetTest):
    VIEWS: SegmentationTestViews
    SLIDING: SegmentationTestSliding

class SegmentationData(PetData):
    NUM_IMAGES: int

class SegmentationModel(ConfigSection):
    NETWORK: str
    NETWORK_ARGS: dict[str, Any]
    NUM_CLASSES: int
    BINARY: bool
    THRESHOLD: float
    IN_CHANNELS: int
    SYNC_BN: bool
    LOSSES: list[Any]
    OUTPUT_WEIGHTS: list[float]

class SegmentationConfig(PetConfig):
    """The settings of the segmentation projects."""

    TEST: SegmentationTest
    DATA: SegmentationData
    MODEL: SegmentationModel

AnyConfig = Any
