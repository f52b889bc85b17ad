"""Data sets and loaders from a config."""

from collections.abc import Sequence

import cv2
import torch

from pet.data.batch_transforms import MixupCutmix, NormalizeImages
from pet.data.catalog import find_entry, resolve_path
from pet.data.check import check_samples
from pet.data.images import silence_opencv
from pet.data.labelled import JoinedDataset, LabelledDataset, describe_difference
from pet.data.source import Source
from pet.data.transforms.build import build_transforms
from petlib.config import CfgNode, ConfigError
from petlib.data.evaluation_loader import EvaluationLoader
from petlib.data.protocols import BatchTransform
from petlib.data.reader import SampleReader
from petlib.data.samplers import SequentialSampler, ShuffledSampler
from petlib.data.train_batches import TrainBatches
from petlib.data.train_loader import TrainLoader
from petlib.dist.process_group import rank, world_size
from petlib.errors import DataError
from petlib.registry import Registry

DATASETS = Registry(
    "type of data set",
    {
        "digits": "pet.data.datasets.digits:build_digits",
        "cifar10": "pet.data.datasets.cifar:build_cifar10",
        "cifar100": "pet.data.datasets.cifar:build_cifar100",
        "image_folder": "pet.data.datasets.image_folder:build_image_folder",
        "list_file": "pet.data.datasets.list_file:build_list_file",
    },
)


def build_dataset(cfg: CfgNode, names: Sequence[str]) -> LabelledDataset:
    """Return the data sets called ``names``, joined. Every process calls it.

    Raises:
        ConfigError: no name is given, or one is unknown.
        DataError: files are missing or wrong, or the data sets have different classes.
    """
    if not names:
        raise ConfigError("no data set is named; set TRAIN.DATASETS and TEST.DATASETS to names of the catalogue, folders or list files")
    silence_opencv()
    datasets: list[LabelledDataset] = []
    for name in names:
        entry = find_entry(cfg, name)
        source = Source(path=resolve_path(cfg, entry.path), split=entry.split, classes=cfg.DATA.CLASSES or None)
        dataset = DATASETS.get(entry.type)(source)
        if source.classes is not None and dataset.classes != source.classes:
            raise DataError(f"{name} does not have the classes of DATA.CLASSES: {describe_difference(dataset.classes, source.classes)}")
        datasets.append(dataset)
    return datasets[0] if len(datasets) == 1 else JoinedDataset(names, datasets)


def build_training_data(cfg: CfgNode, device: torch.device) -> TrainLoader:
    """Return the batches of ``TRAIN.DATASETS``, after a first look at the samples.

    Raises:
        ConfigError: a name is unknown or a setting wrong.
        DataError: the data are missing, wrong, or do not have the classes of the model.
    """
    dataset = build_dataset(cfg, cfg.TRAIN.DATASETS)
    check_samples(dataset, cfg.MODEL.NUM_CLASSES, cfg.DATA.CHECK_SAMPLES)
    return build_train_loader(cfg, dataset, device)


def build_train_loader(cfg: CfgNode, dataset: LabelledDataset, device: torch.device) -> TrainLoader:
    """Return the batches of a training: seeded order, augmentation, normalisation and mixing on the device.

    Raises:
        ConfigError: a transform is unknown or wrong, or the batch does not divide among processes and parts.
        DataError: there are fewer samples than a batch takes.
    """
    transforms, normalize = build_transforms(cfg.TRAIN.TRANSFORMS, default_size=_first_size(cfg.TRAIN.RESIZE.SCALES))
    sampler = ShuffledSampler(len(dataset), cfg.MISC.SEED) if cfg.TRAIN.SHUFFLE else SequentialSampler(len(dataset))
    batches = TrainBatches(
        sampler,
        batch_size=cfg.TRAIN.BATCH_SIZE,
        rank=rank(),
        world_size=world_size(),
        accumulation=cfg.SOLVER.ACCUMULATION,
        epochwise=cfg.SOLVER.SCHEDULER.TOTAL_EPOCHS > 0,
    )
    batch_transforms: list[BatchTransform] = [NormalizeImages.from_transform(normalize, channels_last=cfg.MISC.CHANNELS_LAST)]
    mixup = cfg.TRAIN.MIXUP
    if mixup.MIXUP_ALPHA > 0 or mixup.CUTMIX_ALPHA > 0:
        batch_transforms.append(
            MixupCutmix(
                num_classes=cfg.MODEL.NUM_CLASSES,
                mixup_alpha=mixup.MIXUP_ALPHA,
                cutmix_alpha=mixup.CUTMIX_ALPHA,
                probability=mixup.PROBABILITY,
                switch_probability=mixup.SWITCH_PROBABILITY,
            )
        )
    return TrainLoader(
        SampleReader(dataset, transforms, seed=cfg.MISC.SEED),
        batches,
        device=device,
        num_workers=cfg.TRAIN.NUM_WORKERS,
        prefetch=cfg.TRAIN.PREFETCH,
        batch_transforms=batch_transforms,
        seed=cfg.MISC.SEED,
        worker_init=start_worker,
    )


def build_test_loader(cfg: CfgNode, dataset: LabelledDataset, device: torch.device) -> EvaluationLoader:
    """Return this process's share of the test data.

    Raises:
        ConfigError: a transform is unknown or wrong.
    """
    transforms, normalize = build_transforms(cfg.TEST.TRANSFORMS, default_size=_first_size(cfg.TEST.RESIZE.SCALES))
    return EvaluationLoader(
        SampleReader(dataset, transforms, seed=cfg.MISC.SEED),
        batch_size=cfg.TEST.IMS_PER_GPU,
        rank=rank(),
        world_size=world_size(),
        device=device,
        num_workers=cfg.TEST.NUM_WORKERS,
        batch_transforms=[NormalizeImages.from_transform(normalize, channels_last=cfg.MISC.CHANNELS_LAST)],
        seed=cfg.MISC.SEED,
        worker_init=start_worker,
    )


def start_worker() -> None:
    """Let a loader worker compute on one thread: the workers are the parallelism."""
    cv2.setNumThreads(0)
    silence_opencv()


def _first_size(scales: Sequence[int]) -> int | None:
    return scales[0] if scales else None
