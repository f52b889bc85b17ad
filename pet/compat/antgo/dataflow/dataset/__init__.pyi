from .cifar import CIFAR10 as CIFAR10
from .cifar import CIFAR100 as CIFAR100
from .coco2017 import COCO2017 as COCO2017
from .dataset import Dataset as Dataset
from .image_folder import ImageFolder as ImageFolder
from .pascal_voc import Pascal2012 as Pascal2012
from .video_frames import VideoFrames as VideoFrames

__all__ = ["CIFAR10", "CIFAR100", "COCO2017", "Dataset", "ImageFolder", "Pascal2012", "VideoFrames"]
