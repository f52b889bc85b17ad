from .analysis import analyse as analyse
from .cifar_resnet import CifarResNet as CifarResNet
from .classification import ClassificationHead as ClassificationHead
from .classification import build_classification_head as build_classification_head
from .classifiers import CLASSIFIERS as CLASSIFIERS
from .classifiers import build_classifier as build_classifier
from .classifiers import build_classifier_backbone as build_classifier_backbone
from .pretrained import load_pretrained as load_pretrained
from .pretrained import load_test_weights as load_test_weights
from .pretrained import published_weights as published_weights
from .resnext_cifar import CifarResNeXt as CifarResNeXt

__all__ = [
    "CLASSIFIERS",
    "CifarResNeXt",
    "CifarResNet",
    "ClassificationHead",
    "analyse",
    "build_classification_head",
    "build_classifier",
    "build_classifier_backbone",
    "load_pretrained",
    "load_test_weights",
    "published_weights",
]
