"""Data sets and loaders from a config."""

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import torch
from PIL import Image

from pet.data.catalog.entries import WHOLE_SHARE, CatalogEntry, find_entry, resolve_path
from pet.data.catalog.source import Source
from pet.data.files.allowed_paths import Reach
from pet.data.files.image_cache import CACHE, open_cache
from pet.data.files.images import silence_opencv
from pet.data.files.limits import set_limits
from pet.data.loading.batch_transforms import PAD_DIVISOR, NormalizeImages, build_mixing
from pet.data.loading.device_images import build_loaded_images, check_cache
from pet.data.loading.fingerprint import recorder
from pet.data.loading.joined import JoinedDataset, SomeSamples
from pet.data.loading.renumbered import TRAINING, in_order_of, with_names
from pet.data.loading.sampling import build_sampler, fetch_ahead, without_empty
from pet.data.loading.share_record import TRAIN_RECORD, ShareRecord
from pet.data.loading.splits import named_in, share_of
from pet.data.loading.windows import cut_into_windows
from pet.data.shards.reading import set_reading
from pet.data.targets.check import check_samples, describe_source, report_sides
from pet.data.targets.dataset import Dataset, Expectation
from pet.data.targets.finish import FinishTargets
from pet.data.targets.kinds import are_whole_image, find_kind
from pet.data.targets.names import NO_NAMES, Names, names_of
from pet.data.transforms.base import Compose, GeometricTransform
from pet.data.transforms.build import build_transforms
from pet.data.transforms.largest import EnlargeImages, largest_size
from pet.data.transforms.normalize import Normalize
from pet.typed import AnyConfig, PetConfig
from petlib.arguments import fit_arguments
from petlib.config import ConfigError, keys_in_errors
from petlib.data import build as loaders
from petlib.data.evaluation_loader import EvaluationLoader
from petlib.data.protocols import BatchTransform, SampleTransform
from petlib.data.protocols import Dataset as Samples
from petlib.data.train_loader import TrainLoader
from petlib.errors import DataError, name_in_errors
from petlib.registry import Registry

logger = logging.getLogger(__name__)

DATASETS = Registry(
    "type of data set",
    {
        "digits": "pet.data.datasets.digits:build_digits",
        "cifar10": "pet.data.datasets.cifar:build_cifar10",
        "cifar100": "pet.data.datasets.cifar:build_cifar100",
        "image_folder": "pet.data.datasets.image_folder:build_image_folder",
        "images": "pet.data.datasets.images:build_images",
        "list_file": "pet.data.datasets.list_file:build_list_file",
        "coco": "pet.data.datasets.coco:build_coco",
        "voc": "pet.data.datasets.voc:build_voc",
        "yolo": "pet.data.datasets.yolo:build_yolo",
        "cvat": "pet.data.datasets.cvat:build_cvat",
        "labelme": "pet.data.datasets.labelme:build_labelme",
        "label_studio": "pet.data.datasets.label_studio:build_label_studio",
        "semseg_folder": "pet.data.datasets.semseg_folder:build_semseg_folder",
        "ade20k": "pet.data.datasets.semseg_folder:build_ade20k",
        "cihp": "pet.data.datasets.cihp:build_cihp",
        "kitti_images": "pet.data.datasets.kitti:build_kitti_images",
        "kitti_points": "pet.data.datasets.kitti:build_kitti_points",
        "lip": "pet.data.datasets.lip:build_lip",
        "mpii": "pet.data.datasets.mpii:build_mpii",
        "mot": "pet.data.datasets.mot:build_mot",
        "jde": "pet.data.datasets.jde:build_jde",
        "crowdhuman": "pet.data.datasets.crowdhuman:build_crowdhuman",
        "walkers": "pet.data.datasets.walkers:build_walkers",
        "mannequins": "pet.data.datasets.mannequins:build_mannequins",
        "shapes": "pet.data.datasets.shapes:build_shapes",
        "confetti": "pet.data.datasets.confetti:build_confetti",
        "streets3d_images": "pet.data.datasets.streets3d:build_streets3d_images",
        "streets3d_points": "pet.data.datasets.streets3d:build_streets3d_points",
        "label_list": "pet.data.datasets.label_list:build_label_list",
        "label_records": "pet.data.datasets.label_records:build_label_records",
        "public_set": "pet.data.datasets.public_set:build_public_set",
        "crowds": "pet.data.datasets.crowds:build_crowds",
        "dots": "pet.data.datasets.dots:build_dots",
        "face_records": "pet.data.datasets.face_records:build_face_records",
        "face_templates": "pet.data.datasets.face_templates:build_face_templates",
        "facets": "pet.data.datasets.facets:build_facets",
        "verification_bin": "pet.data.datasets.verification:build_verification_bin",
        "verification_pairs": "pet.data.datasets.verification:build_verification_pairs",
        "motions": "pet.data.datasets.motions:build_motions",
        "video_folder": "pet.data.datasets.videos:build_video_folder",
        "video_list": "pet.data.datasets.videos:build_video_list",
        "frame_list": "pet.data.datasets.videos:build_frame_list",
        "ucf101": "pet.data.datasets.videos:build_ucf101",
        "something_something": "pet.data.datasets.videos:build_something",
        "kinetics": "pet.data.datasets.videos:build_kinetics",
        "shards": "pet.data.datasets.shards:build_shards",
    },
)


TRAIN_TRANSFORMS, TEST_TRANSFORMS = "TRAIN.TRANSFORMS", "TEST.TRANSFORMS"
LISTS_OF_TRANSFORMS = ("TRANSFORMS", "VIEW_TRANSFORMS", "WEAK", "STRONG")
"""Ends of the keys that hold them."""


def build_dataset(
    cfg: PetConfig, datasets: Sequence[str], kinds: Sequence[str], *, names: Names = NO_NAMES, record: ShareRecord | None = None
) -> Dataset:
    """Return the data sets called ``datasets``, joined. Every process calls it.

    Names decide which class, keypoint or part a number means: all data sets get the numbers that ``names`` give, without these those of
    ``DATA.CLASSES``, or else of the first data set. See :func:`pet.data.loading.renumbered.with_names`.

    Args:
        cfg: the config.
        datasets: names of the catalogue, folders or list files.
        kinds: the kinds of targets that samples are to have, names of :data:`pet.data.targets.kinds.KINDS`.
        names: what the numbers of the model mean, from its training; a kind that is left out goes by the data.
        record: gets which files a ``share`` picks; None: they are not recorded.

    Raises:
        ConfigError: no name is given, or one is unknown.
        DataError: files are missing or wrong, have other targets than those requested, or the data sets have different classes.
    """
    if not datasets:
        raise ConfigError("no data set is named; set TRAIN.DATASETS and TEST.DATASETS to names of the catalogue, folders or list files")
    prepare_readers(cfg)
    with keys_in_errors(cfg), name_in_errors({"Source.kinds": "MODEL.HAS_..."}):
        check_cache(cfg, kinds)
        open_cache(cfg.DATA.CACHE, folder=cfg.DATA.CACHE_FOLDER, spare=cfg.DATA.CACHE_SPARE)
        set_reading(cfg)
        built = [_build_one(cfg, name, kinds, names) for name in datasets]
        if record is not None and cfg.MISC.CKPT:
            record.shares = _shares(cfg, datasets, built)
        if len(built) == 1:
            return built[0]
        first = names_of(built[0].info, kinds)
        return JoinedDataset(datasets, [built[0], *(in_order_of(first, dataset, kinds) for dataset in built[1:])], kinds)


def _shares(cfg: PetConfig, names: Sequence[str], built: Sequence[Dataset]) -> dict[str, tuple[CatalogEntry, SomeSamples]]:
    found = ((name, find_entry(cfg, name), dataset) for name, dataset in zip(names, built, strict=True))
    return {name: (entry, dataset) for name, entry, dataset in found if entry.share != WHOLE_SHARE and isinstance(dataset, SomeSamples)}


def prepare_readers(cfg: PetConfig) -> None:
    """Set in this process, and the workers that it forks, what files may hold; OpenCV keeps silent about damaged ones."""
    silence_opencv()
    set_limits(pixels=cfg.DATA.MAX_PIXELS, file_bytes=cfg.DATA.MAX_FILE_BYTES)
    # it warns from there on, and refuses what has twice as many
    Image.MAX_IMAGE_PIXELS = -(-cfg.DATA.MAX_PIXELS // 2)


def _build_one(cfg: PetConfig, name: str, kinds: Sequence[str], names: Names) -> Dataset:
    entry = find_entry(cfg, name)
    dataset = open_source(f"DATA.CATALOG.{name}", entry, _source(cfg, entry, kinds, names))
    info = dataset.info
    lacking = [kind for kind in kinds if kind not in info.kinds]
    if lacking:
        raise DataError(f"{name} ({entry.type}) has no {' and no '.join(lacking)}; it has {', '.join(sorted(info.kinds)) or 'images'}")
    whose = TRAINING
    if not names and cfg.DATA.CLASSES and (entry.classes or not entry.reading.classes_filter):
        # with a filter these are the names in the files, unless the entry has names of its own
        whose = "DATA.CLASSES"
        names = {kind: cfg.DATA.CLASSES for kind in kinds if list(find_kind(kind).names(info)) == list(info.classes)}
    place = entry.annotations or entry.path
    source = name if place in ("", name) else f"{name} ({resolve_path(cfg, place)})"
    dataset = with_names(source, dataset, names, kinds, others=cfg.DATA.OTHER_CLASSES, whose=whose)
    if entry.only:
        dataset = named_in(dataset, resolve_path(cfg, entry.only), resolve_path(cfg, entry.path))
    if entry.share == WHOLE_SHARE:
        return dataset
    start, end = entry.share
    return share_of(dataset, start, end, seed=entry.seed)


def open_source(place: str, entry: CatalogEntry, source: Source) -> Dataset:
    """Return the data set of an entry, whose further keys are arguments of the function behind its type.

    Args:
        place: the key of the entry, for messages.
        entry: the entry.
        source: what it says of places and reading.

    Raises:
        ConfigError: a further key is wrong.
        DataError: files are missing or wrong.
    """
    build = DATASETS.get(entry.type)
    first = next(iter(inspect.signature(build).parameters))
    example = f"{{{{type: {entry.type}, path: ..., {{argument}}: ...}}}}"
    arguments = fit_arguments(f"{place}: data set", entry.type, build, {first: source, **dict(entry.options)}, example=example)
    with name_in_errors({"flip_pairs": f"{place}.flip_pairs"}):
        dataset: Dataset = build(**arguments)
    return dataset


def _source(cfg: PetConfig, entry: CatalogEntry, kinds: Sequence[str], names: Names) -> Source:
    trained = next((list(names[kind]) for kind in kinds if kind in names), None)
    return Source(
        path=resolve_path(cfg, entry.path),
        split=entry.split,
        classes=list(entry.classes) or list(cfg.DATA.CLASSES) or trained,
        annotations=resolve_path(cfg, entry.annotations) if entry.annotations else None,
        kinds=frozenset(kinds),
        images2=resolve_path(cfg, entry.images2) if entry.images2 else None,
        label_ending=entry.label_ending,
        separator=entry.separator,
        frame_name=entry.frame_name,
        reading=entry.reading,
        channels=cfg.get("MODEL", {}).get("IN_CHANNELS"),
        reach=Reach(root=Path(cfg.MISC.DATA_ROOT), anywhere=cfg.DATA.ALLOW_OUTSIDE),
        flip_pairs=entry.flip_pairs,
        mesh=resolve_path(cfg, entry.mesh) if entry.mesh else None,
    )


def as_it_is(dataset: Dataset) -> Dataset:
    """Return the data set: its samples are what is learned from."""
    return dataset


def build_training_data(
    cfg: PetConfig,
    device: torch.device,
    expected: Expectation,
    dataset: Dataset | None = None,
    *,
    prepare: Callable[[Dataset], Dataset] = as_it_is,
) -> TrainLoader:
    """Return the batches of ``TRAIN.DATASETS``, or of the data that a program brings, after a first look at the samples.

    Args:
        cfg: the config.
        device: where batches go.
        expected: what the model wants of its data.
        dataset: other data than ``TRAIN.DATASETS``, which a program brings.
        prepare: makes of the data set what samples are taken from.

    Raises:
        ConfigError: a name is unknown or a setting wrong.
        DataError: the data are missing, wrong, or do not fit the model.
    """
    source = describe_source("TRAIN.DATASETS", cfg.TRAIN.DATASETS) if dataset is None else "the training data"
    record = ShareRecord(Path(cfg.MISC.CKPT) / TRAIN_RECORD)
    dataset = build_dataset(cfg, cfg.TRAIN.DATASETS, expected.kinds, record=record) if dataset is None else dataset
    if expected.kinds and not dataset.info.annotated:
        missing = f"; there is no {dataset.info.lacking}" if dataset.info.lacking else ""
        raise DataError(f"{source} have no annotations: nothing can be learned from them{missing}; choose other data")
    dataset = prepare(dataset)
    check_samples(
        dataset,
        expected,
        cfg.DATA.CHECK_SAMPLES,
        source=source,
        on_error=cfg.DATA.ON_ERROR,
        scales_by_type=scales_by_type(cfg.TRAIN.TRANSFORMS),
    )
    if cfg.DATA.CACHE in ("disk", "memory") and cfg.DATA.CHECK_SAMPLES and not CACHE.read:
        logger.warning("DATA.CACHE: %s has no effect: %s are read from no image files of their own", cfg.DATA.CACHE, source)
    if filters_empty(cfg, expected.kinds):
        dataset = without_empty(dataset)
    begin = recorder(record, cfg.MISC.CKPT, "train", cfg.TRAIN.DATASETS, dataset)
    return build_train_loader(cfg, cut_into_windows(cfg, dataset), device, expected.kinds, begin=begin)


def scales_by_type(entries: Sequence[Any]) -> bool:
    """Return whether the entries of ``TRANSFORMS`` leave it to the type of the images which value becomes 1."""
    return not any(isinstance(entry, Mapping) and entry.get("name") == "Normalize" and entry.get("maximum") for entry in entries)


def filters_empty(cfg: AnyConfig, kinds: Sequence[str]) -> bool:
    """Return whether images without objects are left out of a training; not in tasks that have no setting for it."""
    has_objects = any(find_kind(kind).filters_empty for kind in kinds)
    return has_objects and "FILTER_EMPTY" in cfg.DATA and bool(cfg.DATA.FILTER_EMPTY)


def build_train_loader(
    cfg: PetConfig, dataset: Dataset, device: torch.device, kinds: Sequence[str], *, begin: Callable[[], None] | None = None
) -> TrainLoader:
    """Return the batches of a training: seeded order, augmentation, normalisation and mixing on the device.

    ``begin`` is called when the training begins.

    Raises:
        ConfigError: a transform is unknown or wrong, or the batch does not divide among processes and parts.
        DataError: there are fewer samples than a batch takes.
    """
    transforms, normalize = build_sample_transforms(cfg.TRAIN.TRANSFORMS, cfg.TRAIN.RESIZE.SCALES, dataset, place=TRAIN_TRANSFORMS)
    if any(isinstance(transform, GeometricTransform) and transform.mirrors for transform in transforms.transforms):
        report_sides(dataset.info, kinds, source="TRAIN.TRANSFORMS")
    largest = largest_size(transforms.transforms)
    if not are_whole_image(kinds):
        transforms = Compose([*transforms.transforms, FinishTargets(kinds)])
    samples: Samples = dataset
    sample_transforms: SampleTransform = transforms
    batch_transforms = _build_batch_transforms(cfg, normalize, kinds)
    if cfg.DATA.CACHE == "device":
        loaded = build_loaded_images(cfg, dataset, transforms, device, place=TRAIN_TRANSFORMS, worker_init=start_worker)
        samples, sample_transforms, batch_transforms = loaded.dataset, loaded.transforms, [loaded.cut, *batch_transforms]
    sampler = build_sampler(cfg, dataset)
    return loaders.build_train_loader(
        cfg,
        samples,
        device,
        sampler=sampler,
        ahead=fetch_ahead(sampler, dataset),
        transforms=sample_transforms,
        batch_transforms=batch_transforms,
        worker_init=start_worker,
        names=names_of(dataset.info, kinds),
        begin=begin,
        enlarge=EnlargeImages(largest, divisor=PAD_DIVISOR) if largest is not None and not are_whole_image(kinds) else None,
    )


def build_test_loader(
    cfg: PetConfig, dataset: Samples, device: torch.device, kinds: Sequence[str], *, batch_size: int | None = None
) -> EvaluationLoader:
    """Return this process's share of the test data.

    Args:
        cfg: the config.
        dataset: samples with an ``image``, ``meta`` and fields that no transform moves
            (:class:`pet.data.loading.joined.EvaluationSamples`).
        device: where batches go.
        kinds: the kinds of targets that are evaluated.
        batch_size: images of a batch; None: ``TEST.IMS_PER_GPU``.

    Raises:
        ConfigError: a transform is unknown or wrong.
    """
    transforms, normalize = build_sample_transforms(cfg.TEST.TRANSFORMS, cfg.TEST.RESIZE.SCALES, dataset, place=TEST_TRANSFORMS)
    settings = loaders.LoaderSettings.of_evaluation(cfg)
    return loaders.build_evaluation_loader(
        settings if batch_size is None else replace(settings, batch_size=batch_size),
        dataset,
        device,
        transforms=transforms,
        batch_transforms=[_build_normalization(cfg, normalize, kinds)],
        worker_init=start_worker,
    )


def build_sample_transforms(
    entries: Sequence[Any], scales: Sequence[int], dataset: Samples, *, place: str
) -> tuple[Compose, Normalize | None]:
    """Return the transforms of ``TRAIN`` or ``TEST``, and apart from them a ``Normalize`` at the end of their list.

    Args:
        entries: ``TRANSFORMS``.
        scales: ``RESIZE.SCALES``, for transforms that are given no size.
        dataset: where transforms that join several samples take the others from.
        place: the key of the list, for messages: ``TRAIN.TRANSFORMS``.

    Raises:
        ConfigError: a transform is unknown or wrong.
    """
    sizes = list(scales) or None
    return build_transforms(entries, default_size=sizes[0] if sizes else None, default_sizes=sizes, dataset=dataset, place=place)


def check_transforms(cfg: AnyConfig) -> None:
    """Check all lists of transforms of a config without data; the sizes of those that have none of their own are those of the training.

    Raises:
        ConfigError: one is unknown, or an argument is unknown, missing or wrong; the message says which entry.
    """
    for key, entries in cfg.flat().items():
        if key.rpartition(".")[2] in LISTS_OF_TRANSFORMS:
            scales = cfg.TEST.RESIZE.SCALES if key.startswith("TEST.") else cfg.TRAIN.RESIZE.SCALES
            build_sample_transforms([_without_weight(entry) for entry in entries], scales, [], place=key)


def _without_weight(entry: Any) -> Any:
    """Return an entry without what says how often it is drawn, in a list of which one is."""
    return {name: value for name, value in entry.items() if name != "weight"} if isinstance(entry, Mapping) else entry


def _build_normalization(cfg: PetConfig, normalize: Normalize | None, kinds: Sequence[str]) -> NormalizeImages:
    divisor = 1 if are_whole_image(kinds) else PAD_DIVISOR
    return NormalizeImages.from_transform(normalize, channels_last=cfg.MISC.CHANNELS_LAST, pad_divisor=divisor)


def _build_batch_transforms(cfg: PetConfig, normalize: Normalize | None, kinds: Sequence[str]) -> list[BatchTransform]:
    normalization: BatchTransform = _build_normalization(cfg, normalize, kinds)
    return [normalization, *(build_mixing(cfg, kinds) if "MIXUP" in cfg.TRAIN else [])]


def start_worker() -> None:
    """Let a loader worker compute on one thread: the workers are the parallelism."""
    cv2.setNumThreads(0)
    silence_opencv()
