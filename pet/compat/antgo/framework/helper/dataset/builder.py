"""The registries of data sets and of pipeline steps, under the names of antgo."""

from pet.compat.antgo.registry import ComponentRegistry

_SETS = "pet.compat.antgo.datasets"
_STEPS = "pet.compat.antgo.pipelines"

DATASETS = ComponentRegistry(
    "data set",
    {
        "Pascal2012": f"{_SETS}.pascal_voc:Pascal2012",
        "COCO2017": f"{_SETS}.coco2017:COCO2017",
        "ImageFolder": f"{_SETS}.classification:ImageFolder",
        "CIFAR10": f"{_SETS}.classification:CIFAR10",
        "CIFAR100": f"{_SETS}.classification:CIFAR100",
        "Cifar10": f"{_SETS}.classification:CIFAR10",
        "Cifar100": f"{_SETS}.classification:CIFAR100",
        "VideoFrames": f"{_SETS}.video_frames:VideoFrames",
    },
)

PIPELINES = ComponentRegistry(
    "pipeline step",
    {
        "Rotation": f"{_STEPS}.geometry:Rotation",
        "ResizeS": f"{_STEPS}.geometry:ResizeS",
        "RandomFlipImage": f"{_STEPS}.geometry:RandomFlipImage",
        "ColorDistort": f"{_STEPS}.colour:ColorDistort",
        "ToTensor": f"{_STEPS}.formatting:ToTensor",
        "Normalize": f"{_STEPS}.formatting:Normalize",
        "UnSqueeze": f"{_STEPS}.formatting:UnSqueeze",
    },
)
