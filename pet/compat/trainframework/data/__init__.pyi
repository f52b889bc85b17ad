from .build import BUILD_DATASET_REGISTRY as BUILD_DATASET_REGISTRY
from .build import build_data_set as build_data_set
from .dataset import EngineDataSet as EngineDataSet
from .loader import build_test_loader as build_test_loader
from .loader import build_train_loader as build_train_loader

__all__ = ["BUILD_DATASET_REGISTRY", "EngineDataSet", "build_data_set", "build_test_loader", "build_train_loader"]
