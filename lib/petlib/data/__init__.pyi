from .build import build_evaluation_loader as build_evaluation_loader
from .build import build_train_loader as build_train_loader
from .collate import collate as collate
from .protocols import Sample as Sample
from .protocols import SampleKey as SampleKey
from .reader import SampleReader as SampleReader
from .seeding import KeyedGenerators as KeyedGenerators
from .train_loader import TrainLoader as TrainLoader
