from .adapter import PipelineDataset as PipelineDataset
from .adapter import build_dataset as build_dataset
from .builder import DATASETS as DATASETS
from .builder import PIPELINES as PIPELINES
from .loaders import build_evaluation_loader as build_evaluation_loader
from .loaders import build_train_loader as build_train_loader

__all__ = ["DATASETS", "PIPELINES", "PipelineDataset", "build_dataset", "build_evaluation_loader", "build_train_loader"]
