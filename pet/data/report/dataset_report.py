"""What all samples of a data set hold, together."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pet.data.report.examination import examine
from pet.data.report.near_duplicates import HashedImages, collect_hashes
from pet.data.targets.check import expectation_of
from pet.data.targets.dataset import IGNORE, Dataset, DatasetInfo, Expectation
from pet.data.targets.kinds import find_kind
from pet.data.targets.observation import Finding, Observation, SamplePlace, findings_at
from pet.data.targets.pixel_types import PixelTypes
from pet.data.targets.plausibility import ObjectLook
from petlib.errors import in_users_names

SMALL, LARGE = 32**2, 96**2
"""Square pixels: smaller objects are small, larger ones large (COCO, https://cocodataset.org/#detection-eval)."""

QUANTILES = {"least": 0.0, "5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95, "greatest": 1.0}
DUPLICATE_ID = "an id occurs more than once"
DUPLICATE_FILE = "a file occurs more than once"
NO_SAMPLE = "there are no samples"
SAMPLES_AT_ONCE = 256


@dataclass
class DatasetReport:
    """What a data set holds.

    Attributes:
        name: what the config calls it.
        samples: number of samples.
        findings: what is wrong or odd.
        skipped: what the data set left out while its files were read, reason -> how often.
        classes: of images or objects, in order: name -> (objects, images); for labelled images both are the same.
        images_without_objects: number of them; None: the samples have no objects.
        object_sizes: number of small, medium and large objects, and quantiles of the roots of their areas, pixels.
        identities: how many identities, how many sequences and images without an object these are in, objects without an identity, and
            quantiles of the objects of each; empty: the samples have none.
        image_sizes: quantiles of widths, heights and their ratios, and the commonest sizes.
        types: of the pixels of the images.
        pixels: share of each label among those that count, of ``semseg`` and ``parsing``: name -> share.
        files: of all samples that could be read.
        places: the first sample of each file.
        hashed: what finds images that are nearly the same; None: nothing was read.
        groups: what these were cut from, where it is known.
        digests: of the pixels of images that have a label or no target, and of clips, with a file of each.
        people: names of the persons that images without a label show, where they are known.
        decoding: frames of videos that a core decodes in a second, while all cores do; 0: there are no videos.
    """

    name: str
    samples: int = 0
    findings: list[Finding] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    classes: dict[str, tuple[int, int]] = field(default_factory=dict)
    images_without_objects: int | None = None
    object_sizes: dict[str, Any] = field(default_factory=dict)
    identities: dict[str, Any] = field(default_factory=dict)
    image_sizes: dict[str, Any] = field(default_factory=dict)
    pixels: dict[str, dict[str, float]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    hashed: HashedImages | None = None
    groups: set[str] = field(default_factory=set)
    digests: dict[int, str] = field(default_factory=dict)
    people: set[str] = field(default_factory=set)
    decoding: float = 0.0
    types: PixelTypes = field(default_factory=PixelTypes)

    @property
    def fails(self) -> bool:
        """Whether a training would fail."""
        return any(finding.fatal for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return what ``report.json`` holds."""
        inner = ("files", "places", "hashed", "groups", "digests", "people", "findings")
        shown: dict[str, Any] = {name: value for name, value in vars(self).items() if name not in inner}
        shown["types"] = self.types.as_dict()
        shown["findings"] = [finding.as_dict() for finding in self.findings]
        shown["classes"] = {name: {"objects": objects, "images": images} for name, (objects, images) in self.classes.items()}
        return {**shown, "fails": self.fails}


def report_dataset(
    name: str, dataset: Dataset, expected: Expectation, *, threads: int | None = None, progress: Callable[[], None] = lambda: None
) -> DatasetReport:
    """Return what is found when every sample is read.

    Args:
        name: what the data set is called.
        dataset: its samples are read by several threads.
        expected: what the model wants of it.
        threads: number of them; None: as many as there are cores, at most 16.
        progress: called once for each sample.
    """
    expected = expectation_of(dataset.info, expected, raw_labels=expected.raw_labels)
    expected = expected if dataset.info.annotated else replace(expected, kinds=())
    seen, objects = [], ObjectLook()
    report = DatasetReport(name, skipped=dict(dataset.info.skipped))
    for observation in _walk(dataset, expected, threads or min(os.cpu_count() or 1, 16)):
        seen.append(observation)
        report.types.join(observation.types)
        if observation.truth is not None:
            objects.add(observation.truth)
            observation.truth = None
        progress()
    report.samples = len(seen)
    report.places = _first_places(seen)
    report.hashed = collect_hashes(seen)
    report.findings = [
        finding._replace(samples=(SamplePlace(name, observation.index),)) for observation in seen for finding in observation.findings
    ]
    report.findings += _duplicates(name, seen)
    if not seen:
        report.findings.append(Finding(NO_SAMPLE, name, "the data set is empty", True))
    for kind in (*expected.inputs, *expected.kinds):
        report.findings += findings_at(name, find_kind(kind).summarise(seen))
        report.findings += findings_at(name, find_kind(kind).survey(seen, dataset.info))
    report.findings += findings_at(name, objects.findings())
    report.findings = [_completed(finding, report) for finding in report.findings]
    report.groups = {observation.group for observation in seen if observation.group}
    report.people = {observation.identity for observation in seen if observation.identity}
    report.digests = {observation.digest: observation.file for observation in seen if observation.digest}
    report.decoding = sum(observation.decoded for observation in seen) / (sum(observation.seconds for observation in seen) or 1.0)
    report.files = [observation.file for observation in seen if observation.file]
    report.classes = _count_classes(seen, dataset.info.classes)
    if any(observation.has_objects for observation in seen):
        report.images_without_objects = sum(observation.has_objects and not observation.labels for observation in seen)
        report.object_sizes = _object_sizes([area for observation in seen for area in observation.areas])
    report.identities = _identities(seen, dataset.info)
    report.image_sizes = _image_sizes([observation.size for observation in seen if observation.size[0]])
    report.pixels = {kind: shares for kind in expected.kinds if (shares := _pixel_shares(kind, seen, dataset.info))}
    return report


def _walk(dataset: Dataset, expected: Expectation, threads: int) -> Iterator[Observation]:
    """Yield the observations in the order of the data set. Decoders let go of the interpreter, so threads suffice."""
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(dataset), SAMPLES_AT_ONCE):
            indices = range(start, min(start + SAMPLES_AT_ONCE, len(dataset)))
            yield from pool.map(lambda index: examine(dataset, index, expected), indices)


def _first_places(seen: Sequence[Observation]) -> dict[str, int]:
    places: dict[str, int] = {}
    for observation in seen:
        if observation.file:
            places.setdefault(observation.file, observation.index)
    return places


def _completed(finding: Finding, report: DatasetReport) -> Finding:
    """Return a finding in the user's names, with the samples whose files it names."""
    named = [report.places[file] for file in finding.evidence.files if file in report.places]
    samples = finding.samples or tuple(SamplePlace(report.name, place) for place in named)
    return finding._replace(detail=in_users_names(finding.detail), samples=samples)


def _duplicates(name: str, seen: Sequence[Observation]) -> Iterator[Finding]:
    ids: dict[int | str, list[SamplePlace]] = defaultdict(list)
    files: dict[tuple[str, Any], list[SamplePlace]] = defaultdict(list)
    for observation in seen:
        place = SamplePlace(name, observation.index)
        if observation.id is not None:
            ids[observation.id].append(place)
        if observation.file:
            files[observation.file, observation.window].append(place)
    for own, places in ids.items():
        if len(places) > 1:
            yield Finding(DUPLICATE_ID, f"id {own}", f"{len(places)} times", False, samples=tuple(places))
    for (file, _), places in files.items():
        if len(places) > 1:
            yield Finding(DUPLICATE_FILE, file, f"{len(places)} times", False, samples=tuple(places))


def _count_classes(seen: Sequence[Observation], names: Sequence[str]) -> dict[str, tuple[int, int]]:
    objects = Counter(label for observation in seen for label in observation.labels)
    images = Counter(label for observation in seen for label in set(observation.labels))
    if not objects:
        return {}
    labels = [*range(len(names)), *sorted(label for label in objects if not 0 <= label < len(names))]
    return {_name(names, label): (objects[label], images[label]) for label in labels}


def _object_sizes(areas: Sequence[float]) -> dict[str, Any]:
    values = np.asarray(areas, np.float64)
    values = values[values > 0]
    return {
        "small": int((values < SMALL).sum()),
        "medium": int(((values >= SMALL) & (values <= LARGE)).sum()),
        "large": int((values > LARGE).sum()),
        "edge": _quantiles(np.sqrt(values)),
    }


def _identities(seen: Sequence[Observation], info: DatasetInfo) -> dict[str, Any]:
    given = [observation.identities for observation in seen if observation.identities is not None]
    if not given:
        return {}
    own = Counter(identity for identities in given for identity in identities)
    without = own.pop(-1, 0)
    return {
        "identities": len(own),
        "sequences": 0 if info.groups is None else len(np.unique(info.groups)),
        "objects without": without,
        "images without objects": sum(not identities for identities in given),
        "objects of each": _quantiles(np.array(list(own.values()), np.float64)),
    }


def _image_sizes(sizes: Sequence[tuple[int, int]]) -> dict[str, Any]:
    if not sizes:
        return {}
    array = np.array(sizes, np.float64)
    common = Counter(f"{width} x {height}" for height, width in sizes)
    return {
        "width": _quantiles(array[:, 1]),
        "height": _quantiles(array[:, 0]),
        "width / height": _quantiles(array[:, 1] / array[:, 0]),
        "commonest": dict(common.most_common(5)),
    }


def _quantiles(values: np.ndarray) -> dict[str, float]:
    if not len(values):
        return {}
    return {name: round(float(value), 3) for name, value in zip(QUANTILES, np.quantile(values, list(QUANTILES.values())), strict=True)}


def _pixel_shares(name: str, seen: Sequence[Observation], info: DatasetInfo) -> dict[str, float]:
    names = find_kind(name).names(info)
    counts: Counter[int] = Counter()
    for observation in seen:
        counts.update(observation.pixels.get(name, {}))
    total = sum(counts.values())
    labels = sorted({*range(len(names)), *counts})
    return {_name(names, label) if label != IGNORE else "ignored": counts[label] / total for label in labels} if total else {}


def _name(names: Sequence[str], label: int) -> str:
    return names[label] if 0 <= label < len(names) else f"label {label}"
