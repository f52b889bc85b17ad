from .aspect_ratio import AspectRatioSampler as AspectRatioSampler
from .build import LoaderSettings as LoaderSettings
from .build import TrainLoaderSettings as TrainLoaderSettings
from .build import build_evaluation_loader as build_evaluation_loader
from .build import build_train_loader as build_train_loader
from .collate import collate as collate
from .concatenated import ConcatenatedDataset as ConcatenatedDataset
from .evaluation_loader import EvaluationLoader as EvaluationLoader
from .protocols import Batch as Batch
from .protocols import BatchTransform as BatchTransform
from .protocols import Dataset as Dataset
from .protocols import Sample as Sample
from .protocols import SampleKey as SampleKey
from .protocols import Sampler as Sampler
from .protocols import SampleTransform as SampleTransform
from .reader import SampleReader as SampleReader
from .records import SharedRecords as SharedRecords
from .records import share_records as share_records
from .repeat_factor import RepeatFactorSampler as RepeatFactorSampler
from .repeat_factor import repeat_factors as repeat_factors
from .samplers import SeededPermutation as SeededPermutation
from .samplers import SequentialSampler as SequentialSampler
from .samplers import ShuffledSampler as ShuffledSampler
from .seeding import KeyedGenerators as KeyedGenerators
from .seeding import seed_sequence as seed_sequence
from .skipped_samples import SkippedSamples as SkippedSamples
from .train_batches import DeviceBatch as DeviceBatch
from .train_batches import TrainBatches as TrainBatches
from .train_loader import TrainLoader as TrainLoader

__all__ = [
    "AspectRatioSampler",
    "Batch",
    "BatchTransform",
    "ConcatenatedDataset",
    "Dataset",
    "DeviceBatch",
    "EvaluationLoader",
    "KeyedGenerators",
    "LoaderSettings",
    "RepeatFactorSampler",
    "Sample",
    "SampleKey",
    "SampleReader",
    "SampleTransform",
    "Sampler",
    "SeededPermutation",
    "SequentialSampler",
    "SharedRecords",
    "ShuffledSampler",
    "SkippedSamples",
    "TrainBatches",
    "TrainLoader",
    "TrainLoaderSettings",
    "build_evaluation_loader",
    "build_train_loader",
    "collate",
    "repeat_factors",
    "seed_sequence",
    "share_records",
]
