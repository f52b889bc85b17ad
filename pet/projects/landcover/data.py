"""The training data of land cover with unlabelled images, from a config or from data sets that a program brings."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from pet.data.catalog.entries import BUILTIN, resolve_path
from pet.data.datasets.images import UnlabelledImages
from pet.data.loading.batch_transforms import NormalizeImages
from pet.data.loading.build import TRAIN_TRANSFORMS, build_dataset, build_sample_transforms, prepare_readers, scales_by_type, start_worker
from pet.data.loading.sampling import build_sampler
from pet.data.loading.share_record import TRAIN_RECORD, ShareRecord
from pet.data.targets.check import check_pixels, check_samples, describe_source
from pet.data.targets.dataset import Dataset
from pet.data.targets.finish import FinishTargets
from pet.data.targets.names import names_of
from pet.data.transforms.base import Compose
from pet.data.transforms.normalize import Normalize
from pet.projects.landcover.cutmix import CutMixBoxes, NormalizeViews
from pet.projects.landcover.views import build_views
from pet.segmentation.task import KINDS, expected_data
from pet.typed import LandcoverConfig
from petlib.config import ConfigError, name_in_errors
from petlib.data.build import TRAIN_KEYS, TrainLoaderSettings, build_train_loader
from petlib.data.concatenated import ConcatenatedDataset
from petlib.data.protocols import BatchTransform
from petlib.data.protocols import Dataset as Samples
from petlib.data.train_loader import TrainLoader
from petlib.errors import DataError

UNLABELLED_RECORD = "unlabelled_{}_share.txt"
"""For each name of the catalogue: what its ``share`` picked."""


def build_training_data(
    cfg: LandcoverConfig, device: torch.device, dataset: Dataset | None = None, unlabelled: Samples | None = None
) -> TrainLoader:
    """Return the batches of a training with ``SEMI.ENABLED``, after a first look at the samples.

    An epoch is one of the labelled images; with each goes an unlabelled one that is drawn from all of them.

    Args:
        cfg: the config.
        device: where batches go.
        dataset: the labelled data; None: ``TRAIN.DATASETS``.
        unlabelled: samples with an ``image``; None: ``SEMI.DATASETS``.

    Raises:
        ConfigError: a name is unknown or a setting wrong.
        DataError: the data are missing, wrong, or do not fit the model.
    """
    source = "the training data" if dataset is not None else describe_source("TRAIN.DATASETS", cfg.TRAIN.DATASETS)
    records = [ShareRecord(Path(cfg.MISC.CKPT) / TRAIN_RECORD)]
    dataset = dataset if dataset is not None else build_dataset(cfg, cfg.TRAIN.DATASETS, KINDS, record=records[0])
    check_samples(
        dataset,
        expected_data(cfg),
        cfg.DATA.CHECK_SAMPLES,
        source=source,
        on_error=cfg.DATA.ON_ERROR,
        scales_by_type=scales_by_type(cfg.TRAIN.TRANSFORMS),
    )
    unlabelled = unlabelled if unlabelled is not None else build_unlabelled(cfg, records)
    _check_unlabelled(unlabelled, cfg)

    def begin() -> None:
        for record in records:
            record.write()

    return _build_loader(cfg, device, dataset, unlabelled, begin=begin)


def build_unlabelled(cfg: LandcoverConfig, records: list[ShareRecord] | None = None) -> Samples:
    """Return the images of ``SEMI.DATASETS``. Every process calls it.

    Args:
        cfg: the config.
        records: gets a record of what a ``share`` of each name of the catalogue picks; None: they are not recorded.

    Raises:
        ConfigError: no name is given, or one is neither a folder nor a name of the catalogue.
        DataError: files are missing or wrong.
    """
    names: Sequence[str] = cfg.SEMI.DATASETS
    if not names:
        raise ConfigError("SEMI.DATASETS: nothing given, but SEMI.ENABLED is True; name folders of unlabelled images, or switch it off")
    prepare_readers(cfg)
    parts = [_build_one(cfg, name, records) for name in names]
    return parts[0] if len(parts) == 1 else ConcatenatedDataset(parts)


def _build_one(cfg: LandcoverConfig, name: str, records: list[ShareRecord] | None) -> Samples:
    folder = _folder(cfg, name)
    if folder is None:
        record = ShareRecord(Path(cfg.MISC.CKPT) / UNLABELLED_RECORD.format(name))
        if records is not None:
            records.append(record)
        return build_dataset(cfg, [name], KINDS, record=record)
    return UnlabelledImages(folders=[folder], channels=cfg.MODEL.IN_CHANNELS, window=cfg.SEMI.WINDOW)


def _folder(cfg: LandcoverConfig, name: str) -> Path | None:
    """Return the folder that a name means; None where it is a name of the catalogue, or is to be looked for there."""
    if name in cfg.DATA.CATALOG or name in BUILTIN:
        return None
    folder = resolve_path(cfg, name)
    return folder if folder.is_dir() or "/" in name else None


def _check_unlabelled(dataset: Samples, cfg: LandcoverConfig) -> None:
    if len(dataset) == 0:
        raise DataError("the unlabelled data are empty")
    count = min(cfg.DATA.CHECK_SAMPLES, len(dataset))
    for index in np.linspace(0, len(dataset) - 1, num=count, dtype=int).tolist():
        check_pixels({"meta": {}, **dataset[index]}, expected_data(cfg))


def _build_loader(
    cfg: LandcoverConfig, device: torch.device, dataset: Dataset, unlabelled: Samples, *, begin: Callable[[], None]
) -> TrainLoader:
    scales: Sequence[int] = cfg.TRAIN.RESIZE.SCALES
    transforms, normalize = build_sample_transforms(cfg.TRAIN.TRANSFORMS, scales, dataset, place=TRAIN_TRANSFORMS)
    views = build_views(unlabelled, common=cfg.SEMI.TRANSFORMS, weak=cfg.SEMI.WEAK, strong=cfg.SEMI.STRONG, scales=scales)
    return build_train_loader(
        cfg,
        dataset,
        device,
        sampler=build_sampler(cfg, dataset),
        transforms=Compose([*transforms.transforms, FinishTargets(KINDS), views]),
        batch_transforms=_build_batch_transforms(cfg, normalize),
        worker_init=start_worker,
        names=names_of(dataset.info, KINDS),
        begin=begin,
    )


def _build_batch_transforms(cfg: LandcoverConfig, normalize: Normalize | None) -> list[BatchTransform]:
    normalization = NormalizeImages.from_transform(normalize, channels_last=cfg.MISC.CHANNELS_LAST)
    transforms: list[BatchTransform] = [NormalizeViews(normalization)]
    if cfg.SEMI.CUTMIX.BOXES:
        with name_in_errors(TRAIN_KEYS):
            device_batch_size = TrainLoaderSettings.of_training(cfg).device_batch_size
        if device_batch_size < 2:
            raise ConfigError(
                f"SEMI.CUTMIX.BOXES: {cfg.SEMI.CUTMIX.BOXES} given, but a device has one image in a batch, which has no other to be mixed "
                "with; raise TRAIN.BATCH_SIZE, or set it to 0"
            )
        transforms.append(CutMixBoxes(boxes=cfg.SEMI.CUTMIX.BOXES, share=cfg.SEMI.CUTMIX.SHARE))
    return transforms
