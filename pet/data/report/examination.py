"""What one sample holds and what is wrong with it."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from pet.data.report.display import as_rgb
from pet.data.targets.check import check_pixels
from pet.data.targets.dataset import Dataset, Expectation
from pet.data.targets.kinds import find_kind, kinds_in, sample_size
from pet.data.targets.observation import Finding, Found, Observation, evidence_of_box, findings_at
from pet.data.targets.perceptual_hash import hash_image
from pet.data.targets.plausibility import truth_of_sample
from petlib.data.protocols import Sample
from petlib.errors import DataError

UNREADABLE = "a sample cannot be read"
WRONG_IMAGE = "an image is not as it should be"
BOX_OUTSIDE = "a box of the files reaches out of its image by more than a pixel"
DIFFERS = "targets do not fit the image, each other or the model"


def examine(dataset: Dataset, index: int, expected: Expectation) -> Observation:
    """Read a sample and look at all that it holds; nothing is raised whatever is wrong with it.

    Args:
        dataset: the data set.
        index: place of the sample there.
        expected: what the model wants of it.
    """
    try:
        sample = dataset[index]
    except Exception as error:  # noqa: BLE001 -- whatever stops a sample from being read would stop a training
        reason = str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {error}"
        return Observation(index, findings=[Finding(UNREADABLE, f"sample {index}", reason, True)])
    meta = sample["meta"]
    seen = Observation(index, id=meta.get("id"), file=str(meta.get("file", f"sample {index}")), window=meta.get("window"))
    seen.group, seen.identity = str(meta.get("group", "")), str(meta.get("identity", ""))
    seen.findings += _collect(partial(_examine_pixels, sample, expected, seen), seen.file)
    if not kinds_in(sample).targets and isinstance(sample.get("image"), np.ndarray):
        seen.digest = hash(sample["image"].tobytes())
    for kind in kinds_in(sample).targets:
        seen.findings += _collect(partial(kind.examine, sample, expected, seen), seen.file)
    # what the kinds do not name, such as numbers of fields that differ
    if not any(finding.fatal for finding in seen.findings):
        seen.findings += _collect(partial(_check_as_training_does, sample, expected), seen.file)
    if seen.has_objects:
        seen.findings += _collect(lambda: _examine_truth(dataset, sample, seen), seen.file)
    return seen


def _collect(look: Callable[[], Iterator[Found]], file: str) -> list[Finding]:
    """Return what a look finds; where it fails the targets are of no known form."""
    found: list[Found] = []
    try:
        found.extend(look())
    except DataError as error:
        found.append((DIFFERS, str(error).removeprefix(f"{file}: "), True))
    except Exception as error:  # noqa: BLE001 -- whatever the targets are
        found.append((DIFFERS, f"{type(error).__name__}: {error}", True))
    return findings_at(file, found)


def _examine_pixels(sample: Sample, expected: Expectation, seen: Observation) -> Iterator[Found]:
    try:
        check_pixels(sample, expected)
    except DataError as error:
        yield WRONG_IMAGE, str(error).removeprefix(f"{seen.file}: "), True
        return
    seen.size = sample_size(sample)
    pixels = kinds_in(sample).pixels
    image = sample[pixels[0].name]
    if pixels[0].has_colours and isinstance(image, np.ndarray) and image.ndim == 3:
        seen.hashed = hash_image(as_rgb(image))
    seen.types.add([sample[kind.name] for kind in pixels if kind.has_colours], seen.file)
    for kind in pixels:
        yield from kind.examine(sample, expected, seen)


def _check_as_training_does(sample: Sample, expected: Expectation) -> Iterator[Found]:
    """Repeat the first look of a training."""
    for kind in expected.kinds:
        find_kind(kind).check(sample, expected)
    yield from ()


def _examine_truth(dataset: Dataset, sample: Sample, seen: Observation) -> Iterator[Found]:
    """Look at the boxes as the files have them; those of samples are clipped."""
    truth = dataset.truth(seen.index)
    seen.truth = truth_of_sample(sample) if truth is None and not any(finding.fatal for finding in seen.findings) else truth
    if truth is None:
        return
    seen.sequence = truth.sequence
    beyond = np.maximum(-truth.boxes[:, :2], truth.boxes[:, 2:] - (truth.width, truth.height)).max(axis=1, initial=0.0)
    for place in np.flatnonzero(beyond > 1.0):
        box = truth.boxes[place]
        detail = f"object {place}: {box.tolist()} in {truth.width} x {truth.height}, used up to the border"
        yield BOX_OUTSIDE, detail, False, evidence_of_box(box)
