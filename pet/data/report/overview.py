"""What all data sets of a run hold, and whether they can be trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pet.data.loading.build import build_dataset, filters_empty, scales_by_type
from pet.data.report.dataset_report import DatasetReport, report_dataset
from pet.data.report.shared import near_duplicates, shared_samples
from pet.data.report.trained_names import find_trained_names
from pet.data.targets.boxes import NO_OBJECTS
from pet.data.targets.check import check_info
from pet.data.targets.dataset import Dataset, DatasetInfo, Expectation
from pet.data.targets.kinds import find_kind
from pet.data.targets.names import NO_NAMES, Names, names_of
from pet.data.targets.observation import Finding
from pet.data.targets.perceptual_hash import can_hash
from pet.data.targets.pixel_types import MIXED, UNUSED_RANGE, PixelTypes
from pet.typed import PetConfig
from petlib.checkpoint.checkpointer import Checkpointer
from petlib.config import ConfigError
from petlib.engine.changed_settings import other_names
from petlib.errors import CheckpointError, DataError, in_users_names

NO_DATASET = "a data set cannot be used"
NO_FIT = "the data do not fit the model"
NO_JOIN = "the data sets cannot be joined"
OTHER_NAMES = "the run in MISC.CKPT cannot be continued on these data"
TOO_FEW = "there are fewer samples than a batch takes"
NO_HASHES = "images that are nearly the same were not looked for: ImageHash is missing; pip install 'pet-vision[check]'"

Progress = Callable[[str, int], Callable[[], None]]
"""Takes the name of a data set and its number of samples, and returns what is to be called for each."""


@dataclass
class RunReport:
    """What the data sets of a run hold.

    Attributes:
        datasets: of each split, ``train`` and ``test``.
        findings: what concerns several data sets.
        not_looked_for: what could not be looked for here, and why.
    """

    datasets: dict[str, list[DatasetReport]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    not_looked_for: list[str] = field(default_factory=list)

    @property
    def all_findings(self) -> list[Finding]:
        """Those that concern several data sets, then those of each."""
        return [*self.findings, *(finding for parts in self.datasets.values() for part in parts for finding in part.findings)]

    @property
    def fails(self) -> bool:
        """Whether a training would fail."""
        return any(finding.fatal for finding in self.all_findings)

    @property
    def lacks_data(self) -> bool:
        """Whether a data set cannot be opened."""
        return any(finding.kind == NO_DATASET for reports in self.datasets.values() for part in reports for finding in part.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return what ``report.json`` holds."""
        return {
            "fails": self.fails,
            "findings": [finding.as_dict() for finding in self.findings],
            "not_looked_for": self.not_looked_for,
            **{split: [report.as_dict() for report in reports] for split, reports in self.datasets.items()},
        }


def check_run(
    cfg: PetConfig, splits: Sequence[str], expected: Expectation, progress: Progress, *, tested: Expectation | None = None
) -> tuple[RunReport, dict[str, Dataset]]:
    """Read all samples of ``TRAIN.DATASETS`` and ``TEST.DATASETS``; return what was found, and the data sets that can be read, by name.

    Args:
        cfg: the config.
        splits: ``train`` and ``test``, or one of them; ``test`` without data is left out where it is not the only one.
        expected: what the model wants of its data.
        progress: is called with how far it is.
        tested: what an evaluation wants of its data; None: the same.

    Raises:
        ConfigError: a data set is unknown, or none is named.
    """
    report, trained = RunReport(), NO_NAMES
    readable: dict[str, Dataset] = {}
    for split in splits:
        names = cfg[split.upper()].DATASETS
        if not names and len(splits) > 1 and split == "test":
            continue
        if not names:
            raise ConfigError(f"{split.upper()}.DATASETS: nothing given; name the data to look at")
        own = tested if split == "test" and tested is not None else expected
        if "train" not in splits:
            trained = find_trained_names(cfg, own.kinds)
        reports, datasets = _check_datasets(cfg, names, own, progress, trained, learned=split == "train")
        if split == "train" and datasets:
            trained = names_of(next(iter(datasets.values())).info, own.kinds)
            report.findings += _check_names_of_run(cfg, trained)
        report.datasets[split] = reports
        readable |= datasets
        if len(names) > 1 and len(datasets) == len(names):
            report.findings += _try(
                NO_JOIN,
                ", ".join(names),
                partial(build_dataset, cfg, names, own.kinds, names=trained if split == "test" else NO_NAMES),
            )
        report.findings += _check_types(cfg, split, reports)
    report.findings += [*_check_amount(cfg, report, filters=filters_empty(cfg, expected.kinds)), *shared_samples(report.datasets)]
    report.findings += near_duplicates(report.datasets, report.findings)
    if not can_hash():
        report.not_looked_for.append(NO_HASHES)
    parts: list[RunReport | DatasetReport] = [report, *(part for reports in report.datasets.values() for part in reports)]
    for part in parts:
        part.findings = [finding._replace(detail=in_users_names(finding.detail)) for finding in part.findings]
    return report, readable


def _check_names_of_run(cfg: PetConfig, trained: Names) -> list[Finding]:
    """Return how the names of the training data differ from those of the checkpoint that a training would continue from."""
    checkpointer = Checkpointer(cfg.MISC.CKPT)
    if not cfg.TRAIN.AUTO_RESUME or not checkpointer.has_latest():
        return []
    try:
        difference = other_names((checkpointer.read_latest() or {}).get("names"), trained)
    except CheckpointError as error:
        difference = str(error)
    return [Finding(OTHER_NAMES, str(checkpointer.latest_path), difference, True)] if difference else []


def _check_datasets(
    cfg: PetConfig, names: Sequence[str], expected: Expectation, progress: Progress, trained: Names, *, learned: bool
) -> tuple[list[DatasetReport], dict[str, Dataset]]:
    reports, datasets = [], {}
    for name in names:
        try:
            dataset = build_dataset(cfg, [name], expected.kinds, names=trained)
        except DataError as error:
            reports.append(DatasetReport(name, findings=[Finding(NO_DATASET, name, str(error), True)]))
            continue
        report = report_dataset(name, dataset, _as_data_say(expected, dataset.info), progress=progress(name, len(dataset)))
        if learned and expected.kinds and not dataset.info.annotated:
            report.findings.append(Finding(NO_FIT, name, "the data have no annotations: nothing can be learned from them", True))
        for kind in expected.kinds if len(dataset) else ():
            report.findings += _try(NO_FIT, name, partial(check_info, dataset, replace(expected, kinds=(kind,))))
        reports.append(report)
        datasets[name] = dataset
    return reports, datasets


def _as_data_say(expected: Expectation, info: DatasetInfo) -> Expectation:
    """Return what a data set says of itself: that the model knows something else is reported once, not for each sample."""
    known = {kind: find_kind(kind).count(info) for kind in expected.kinds}
    counts = {kind: count for kind, count in known.items() if count and not info.numbered}
    return replace(expected, counts={**expected.counts, **counts}, raw_labels=info.raw_labels)


def _check_types(cfg: PetConfig, split: str, reports: Sequence[DatasetReport]) -> list[Finding]:
    """Return what is wrong with depth and range of the images of all data sets of a split."""
    types = PixelTypes()
    for report in reports:
        types.join(report.types)
    place = f"{split.upper()}.DATASETS"
    mixture = types.mixture()
    unused = types.unused_range() if scales_by_type(cfg[split.upper()].TRANSFORMS) else None
    found = [Finding(MIXED, place, mixture, True)] if mixture else []
    return [*found, Finding(UNUSED_RANGE, place, unused, False)] if unused else found


def _check_amount(cfg: PetConfig, report: RunReport, *, filters: bool) -> list[Finding]:
    """Return what is wrong with the number of training samples."""
    reports = report.datasets.get("train", [])
    if not reports or any(part.fails and not part.samples for part in reports):
        return []
    samples = sum(part.samples for part in reports)
    empty = sum(part.images_without_objects or 0 for part in reports)
    filtered = empty if filters else 0
    if empty == samples:
        return [Finding(NO_OBJECTS, "TRAIN.DATASETS", f"{samples} images were looked at", filters)]
    if samples - filtered < cfg.TRAIN.BATCH_SIZE:
        return [Finding(TOO_FEW, "TRAIN.DATASETS", f"{samples - filtered} samples, TRAIN.BATCH_SIZE is {cfg.TRAIN.BATCH_SIZE}", True)]
    return []


def _try(kind: str, place: str, act: Callable[[], object]) -> list[Finding]:
    try:
        act()
    except DataError as error:
        return [Finding(kind, place, str(error), True)]
    return []
