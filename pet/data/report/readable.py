"""A report as lines of text."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pet.data.report.dataset_report import QUANTILES, DatasetReport
from pet.data.report.examination import UNREADABLE
from pet.data.report.overview import RunReport
from pet.data.targets.observation import Finding
from petlib.suggest import counted

MOST_EXAMPLES = 5
MOST_CLASSES = 100
BAR_WIDTH = 30


def as_text(report: RunReport) -> str:
    """Return all that a report says; what is wrong comes last, where one looks first."""
    lines: list[str] = []
    for split, datasets in report.datasets.items():
        for dataset in datasets:
            lines += [*_dataset_lines(split, dataset), ""]
    lines += [*_finding_lines(report.all_findings), *report.not_looked_for]
    noted = sum(sum(dataset.skipped.values()) for datasets in report.datasets.values() for dataset in datasets)
    skipped = f"; {noted:,} noted while reading, see above" if noted else ""
    return "\n".join([*lines, f"{verdict_of(report)}{skipped}"])


def verdict_of(report: RunReport) -> str:
    """Return whether a training can read the data, and how many faults and oddities there are."""
    everything = report.all_findings
    fatal = sum(finding.fatal for finding in everything)
    verdict = f"a training would FAIL: {counted(fatal, 'fault')}" if fatal else "a training can read all of it"
    return f"{verdict}; {counted(len(everything) - fatal, 'oddity')}"


def by_kind(findings: Iterable[Finding]) -> dict[tuple[bool, str], list[Finding]]:
    """Return the findings of each kind, in their order, by whether they are fatal and what they are; oddities first."""
    groups: dict[tuple[bool, str], list[Finding]] = defaultdict(list)
    for finding in sorted(findings, key=lambda finding: finding.fatal):
        groups[finding.fatal, finding.kind].append(finding)
    return groups


def describe(finding: Finding) -> str:
    """Return a finding as a line: its place is not said twice."""
    is_named = re.search(rf"(?<!\w){re.escape(finding.place)}(?!\w)", finding.detail)
    return (finding.detail if is_named else f"{finding.place}: {finding.detail}").removesuffix(": ")


def _dataset_lines(split: str, report: DatasetReport) -> Iterator[str]:
    objects = sum(count for count, _ in report.classes.values())
    has_objects = report.images_without_objects is not None
    about = f", {counted(objects, 'object')}, {counted(report.images_without_objects or 0, 'image')} without any" if has_objects else ""
    unreadable = sum(finding.kind == UNREADABLE for finding in report.findings)
    only = f", only {report.samples - unreadable:,} of which can be read and are below" if unreadable else ""
    yield f"{split}: {report.name}: {counted(report.samples, 'sample')}{only}{about}"
    for reason, count in report.skipped.items():
        yield f"  while reading: {count:,} x {reason}"
    yield from _class_lines(report.classes, has_objects)
    for name, shares in report.pixels.items():
        yield from _bars(f"pixels of {name}", {label: (share, f"{share:.2%}") for label, share in shares.items()})
        missing = [label for label, share in shares.items() if not share]
        if missing:
            yield f"  {len(missing)} classes of {name} do not occur: {', '.join(missing[:10])}{', ...' if len(missing) > 10 else ''}"
    if report.object_sizes:
        sizes = report.object_sizes
        yield f"  objects by area: {sizes['small']:,} small (< 32²), {sizes['medium']:,} medium, {sizes['large']:,} large (> 96²)"
    yield from _identity_lines(report)
    yield from _quantile_lines(report)
    if report.decoding:
        yield f"  videos: {report.decoding:,.0f} frames a second are decoded by a core, while all of them do"
    for name, count in report.types.counts.items():
        if name in report.types.greatest:
            yield f"  pixels of {name} in {counted(count, 'image')}, with values up to {report.types.greatest[name]:g}"


def _class_lines(classes: Mapping[str, tuple[int, int]], has_objects: bool) -> Iterator[str]:
    shown = dict(list(classes.items())[:MOST_CLASSES])
    title = "objects and images of each class" if has_objects else "images of each class"
    yield from _bars(
        title, {name: (objects, f"{objects:,}" + (f" in {images:,}" if has_objects else "")) for name, (objects, images) in shown.items()}
    )
    if len(classes) > len(shown):
        yield f"    and {len(classes) - len(shown)} further classes, see report.json"
    missing = [name for name, (objects, _) in classes.items() if not objects]
    if missing:
        yield f"  {len(missing)} of {len(classes)} classes do not occur: {', '.join(missing[:10])}{', ...' if len(missing) > 10 else ''}"


def _bars(title: str, entries: Mapping[str, tuple[float, str]]) -> Iterator[str]:
    if not entries:
        return
    yield f"  {title}:"
    width = min(max(len(name) for name in entries), 28)
    numbers = max(len(text) for _, text in entries.values())
    greatest = max(value for value, _ in entries.values()) or 1
    for name, (value, text) in entries.items():
        shown = name if len(name) <= width else name[: width - 1] + "…"
        yield f"    {shown:<{width}}  {text:>{numbers}}  {'#' * round(BAR_WIDTH * value / greatest)}".rstrip()


def _identity_lines(report: DatasetReport) -> Iterator[str]:
    found = report.identities
    if not found:
        return
    where = f" in {counted(found['sequences'], 'sequence')}" if found["sequences"] else ""
    boxes = found["objects of each"]
    each = f", {boxes['least']:.0f} to {boxes['greatest']:.0f} boxes each (median {boxes['median']:.0f})" if boxes else ""
    yield f"  identities: {found['identities']:,}{where}{each}; {found['objects without']:,} boxes have none"
    yield f"  frames without a box: {found['images without objects']:,} of {report.samples:,}"


def _quantile_lines(report: DatasetReport) -> Iterator[str]:
    rows: dict[str, Mapping[str, Any]] = {name: report.image_sizes.get(name, {}) for name in ("width", "height", "width / height")}
    rows["object edge"] = report.object_sizes.get("edge", {})
    rows = {name: values for name, values in rows.items() if values}
    if not rows:
        return
    differ = {name for name, values in rows.items() if len({values[quantile] for quantile in QUANTILES}) > 1}
    yield f"  {'sizes in pixels':<16}" + "".join(f"{name:>10}" for name in QUANTILES if differ)
    for name, values in rows.items():
        digits = 2 if "/" in name else 0
        # of one sample, or of images of one size, seven equal numbers say nothing
        shown = list(QUANTILES) if name in differ else ["least"]
        yield f"    {name:<14}" + "".join(f"{values[quantile]:>10.{digits}f}" for quantile in shown) + ("" if name in differ else " (all)")
    common = report.image_sizes.get("commonest", {})
    yield "  commonest image sizes: " + ", ".join(f"{size} ({count:,})" for size, count in common.items())


def _finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    for (fatal, kind), members in by_kind(findings).items():
        yield f"{'FAULT' if fatal else 'ODD'}: {len(members):,} x {kind}"
        yield from (f"    {describe(finding)}" for finding in members[:MOST_EXAMPLES])
        if len(members) > MOST_EXAMPLES:
            yield f"    and {len(members) - MOST_EXAMPLES:,} more, see report.json"
