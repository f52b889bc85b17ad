from .catalog.public_sets import PUBLIC_SETS as PUBLIC_SETS
from .catalog.source import Reading as Reading
from .datasets.label_list import LabelList as LabelList
from .datasets.label_records import LabelRecords as LabelRecords
from .datasets.semseg_folder import SemsegFolder as SemsegFolder
from .files.images import read_image as read_image
from .loading.build import DATASETS as DATASETS
from .loading.build import build_dataset as build_dataset
from .loading.build import build_test_loader as build_test_loader
from .loading.build import build_train_loader as build_train_loader
from .loading.build import build_training_data as build_training_data
from .loading.build import prepare_readers as prepare_readers
from .loading.splits import sample_by_count as sample_by_count
from .loading.splits import sample_by_percent as sample_by_percent
from .loading.splits import split_by_count as split_by_count
from .loading.splits import split_by_percent as split_by_percent
from .report.browse import SampleViews as SampleViews
from .report.browse import build_sample_views as build_sample_views
from .report.display import as_rgb as as_rgb
from .report.display import draw_sample_sheet as draw_sample_sheet
from .report.display import side_by_side as side_by_side
from .targets.check import check_samples as check_samples
from .targets.dataset import Dataset as Dataset
from .targets.dataset import DatasetInfo as DatasetInfo
from .targets.dataset import Expectation as Expectation
from .targets.drawing import draw_predictions as draw_predictions
from .targets.drawing import draw_targets as draw_targets
from .targets.kinds import KINDS as KINDS
from .transforms.build import TRANSFORMS as TRANSFORMS
from .transforms.build import build_transforms as build_transforms

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetInfo",
    "Expectation",
    "KINDS",
    "LabelList",
    "LabelRecords",
    "PUBLIC_SETS",
    "Reading",
    "SampleViews",
    "SemsegFolder",
    "TRANSFORMS",
    "as_rgb",
    "build_dataset",
    "build_sample_views",
    "build_test_loader",
    "build_train_loader",
    "build_training_data",
    "build_transforms",
    "check_samples",
    "draw_predictions",
    "draw_sample_sheet",
    "draw_targets",
    "prepare_readers",
    "read_image",
    "sample_by_count",
    "sample_by_percent",
    "side_by_side",
    "split_by_count",
    "split_by_percent",
]
