"""What all data sets of a run hold, and whether they can be trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

from pet.data.loading.build import LABEL, build_dataset
from pet.data.report.dataset_report import NO_OBJECTS, DatasetReport, report_dataset
from pet.data.report.examination import Finding
from pet.data.targets.check import Expectation, check_samples, check_vision_samples
from pet.data.targets.kinds import VisionDataset
from pet.data.targets.labelled import LabelledDataset
from petlib.config import CfgNode, ConfigError
from petlib.errors import DataError

NO_DATASET = "a data set cannot be used"
NO_FIT = "the data do not fit the model"
NO_JOIN = "the data sets cannot be joined"
TOO_FEW = "there are fewer samples than a batch takes"
SHARED = "a file is in the training data and in the test data"

Progress = Callable[[str, int], Callable[[], None]]
"""Is told the name of a data set and its number of samples, and returns what is to be called for each."""


@dataclass
class RunReport:
    """What the data sets of a run hold.

    Attributes:
        datasets: of each split, ``train`` and ``test``.
        findings: what concerns several data sets.
    """

    datasets: dict[str, list[DatasetReport]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def fails(self) -> bool:
        """Whether a training would fail."""
        return any(finding.fatal for finding in self.findings) or any(
            report.fails for reports in self.datasets.values() for report in reports
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what ``report.json`` holds."""
        return {
            "fails": self.fails,
            "findings": [finding._asdict() for finding in self.findings],
            **{split: [report.as_dict() for report in reports] for split, reports in self.datasets.items()},
        }


def check_run(cfg: CfgNode, splits: Sequence[str], expected: Expectation, progress: Progress) -> tuple[RunReport, list[LabelledDataset]]:
    """Read all samples of ``TRAIN.DATASETS`` and ``TEST.DATASETS``; return what was found, and the data sets that can be read.

    Args:
        cfg: the config.
        splits: ``train`` and ``test``, or one of them; ``test`` without data is left out where it is not the only one.
        expected: what the model wants of its data.
        progress: is told how far it is.

    Raises:
        ConfigError: a data set is unknown, or none is named.
    """
    report, readable = RunReport(), []
    for split in splits:
        names = cfg[split.upper()].DATASETS
        if not names and len(splits) > 1 and split == "test":
            continue
        if not names:
            raise ConfigError(f"{split.upper()}.DATASETS: nothing given; name the data to look at")
        reports, datasets = _check_datasets(cfg, names, expected, progress)
        report.datasets[split] = reports
        readable += datasets
        if len(names) > 1 and len(datasets) == len(names):
            report.findings += _try(NO_JOIN, ", ".join(names), partial(build_dataset, cfg, names, expected.kinds))
    report.findings += [*_check_amount(cfg, report), *shared_files(report)]
    return report, readable


def shared_files(report: RunReport) -> list[Finding]:
    """Return a finding for each file that stands on both sides: its metrics would be too good."""
    sides = [{file for part in report.datasets.get(split, []) for file in part.files} for split in ("train", "test")]
    return [Finding(SHARED, file, "", False) for file in sorted(sides[0] & sides[1])]


def _check_datasets(
    cfg: CfgNode, names: Sequence[str], expected: Expectation, progress: Progress
) -> tuple[list[DatasetReport], list[LabelledDataset]]:
    reports, datasets = [], []
    for name in names:
        try:
            dataset = build_dataset(cfg, [name], expected.kinds)
        except DataError as error:
            reports.append(DatasetReport(name, findings=[Finding(NO_DATASET, name, str(error), True)]))
            continue
        report = report_dataset(name, dataset, _as_data_say(expected, dataset), progress=progress(name, len(dataset)))
        for kind in expected.kinds if len(dataset) else ():
            report.findings += _try(NO_FIT, name, partial(_compare, dataset, replace(expected, kinds=(kind,))))
        reports.append(report)
        datasets.append(dataset)
    return reports, datasets


def _as_data_say(expected: Expectation, dataset: Any) -> Expectation:
    """Return what the names of a data set promise: that the model wants something else is told once, not for each sample."""
    keypoint_set, part_set = getattr(dataset, "keypoint_set", None), getattr(dataset, "part_set", None)
    return replace(
        expected,
        num_classes=expected.num_classes if dataset.numbered else len(dataset.classes),
        num_semseg_classes=len(getattr(dataset, "semseg_classes", ())) or expected.num_semseg_classes,
        num_keypoints=len(keypoint_set.names) if keypoint_set else expected.num_keypoints,
        num_parts=len(part_set.names) if part_set else expected.num_parts,
        raw_labels=getattr(dataset, "raw_labels", False),
    )


def _compare(dataset: LabelledDataset, expected: Expectation) -> None:
    """Compare classes, keypoints and parts, without a look at samples."""
    if expected.kinds == LABEL:
        check_samples(dataset, expected.num_classes, 0)
    else:
        check_vision_samples(cast("VisionDataset", dataset), expected, 0)


def _check_amount(cfg: CfgNode, report: RunReport) -> list[Finding]:
    """Return what is wrong with the number of training samples."""
    reports = report.datasets.get("train", [])
    if not reports or any(part.fails and not part.samples for part in reports):
        return []
    samples = sum(part.samples for part in reports)
    empty = sum(part.images_without_objects or 0 for part in reports)
    filtered = empty if cfg.DATA.FILTER_EMPTY else 0
    if empty == samples:
        return [Finding(NO_OBJECTS, "TRAIN.DATASETS", f"{samples} images were looked at", bool(cfg.DATA.FILTER_EMPTY))]
    if samples - filtered < cfg.TRAIN.BATCH_SIZE:
        return [Finding(TOO_FEW, "TRAIN.DATASETS", f"{samples - filtered} samples, TRAIN.BATCH_SIZE is {cfg.TRAIN.BATCH_SIZE}", True)]
    return []


def _try(kind: str, place: str, act: Callable[[], object]) -> list[Finding]:
    try:
        act()
    except DataError as error:
        return [Finding(kind, place, str(error), True)]
    return []
