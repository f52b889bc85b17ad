from .browse import SampleViews as SampleViews
from .browse import build_sample_views as build_sample_views
from .build import DATASETS as DATASETS
from .build import build_dataset as build_dataset
from .build import build_test_loader as build_test_loader
from .build import build_train_loader as build_train_loader
from .build import build_training_data as build_training_data
from .check import Expectation as Expectation
from .check import check_samples as check_samples
from .images import read_image as read_image
from .transforms.build import TRANSFORMS as TRANSFORMS
from .transforms.build import build_transforms as build_transforms

__all__ = [
    "DATASETS",
    "Expectation",
    "SampleViews",
    "TRANSFORMS",
    "build_dataset",
    "build_sample_views",
    "build_test_loader",
    "build_train_loader",
    "build_training_data",
    "build_transforms",
    "check_samples",
    "read_image",
]
