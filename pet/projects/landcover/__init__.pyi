from . import config as config
from .cutmix import CutMixBoxes as CutMixBoxes
from .cutmix import NormalizeViews as NormalizeViews
from .cutmix import draw_boxes as draw_boxes
from .cutmix import mix as mix
from .data import build_training_data as build_training_data
from .data import build_unlabelled as build_unlabelled
from .model import build_model as build_model
from .model import load_students as load_students
from .mutual_distillation import MutualDistillation as MutualDistillation
from .runs import test as test
from .runs import train as train
from .task import TASK as TASK
from .teachers import TeacherHook as TeacherHook
from .teachers import momentum_after as momentum_after
from .unlabelled import UnlabelledImages as UnlabelledImages
from .views import AddUnlabelled as AddUnlabelled
from .views import Equalize as Equalize
from .views import OneOf as OneOf
from .views import Solarize as Solarize
from .views import build_views as build_views

__all__ = [
    "AddUnlabelled",
    "CutMixBoxes",
    "Equalize",
    "MutualDistillation",
    "NormalizeViews",
    "OneOf",
    "TASK",
    "Solarize",
    "TeacherHook",
    "UnlabelledImages",
    "build_model",
    "build_training_data",
    "build_unlabelled",
    "build_views",
    "config",
    "draw_boxes",
    "load_students",
    "mix",
    "momentum_after",
    "test",
    "train",
]
