"""What the training data and the test data have in common, by which metrics would be too good, and images that are nearly the same."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pet.data.report.dataset_report import DatasetReport
from pet.data.report.near_duplicates import HashedImages, find_near_pairs
from pet.data.targets.observation import Finding, SamplePlace

SHARED = "a file is in the training data and in the test data"
SHARED_PIXELS = "equal images or clips are in the training data and in the test data"
SHARED_IDENTITY = "an identity of the training data has images in the test data, whose people are to be others"
SHARED_GROUP = "parts of one whole, as clips of one video, are in the training data and in the test data"
NEARLY_SHARED = "an image of the test data is nearly one of the training data"
NEARLY_SAME = "an image is nearly another one of the same data"
LEAKS = (SHARED, SHARED_PIXELS, NEARLY_SHARED, SHARED_GROUP, SHARED_IDENTITY)
"""What makes a test easier than it should be."""

Reports = Mapping[str, Sequence[DatasetReport]]
"""What the data sets of ``train`` and of ``test`` hold."""


def shared_samples(datasets: Reports) -> list[Finding]:
    """Return a finding for each file, other files of equal pixels, each group of samples and each identity that is on both sides."""
    sides = [datasets.get(split, []) for split in ("train", "test")]
    places = [_places(parts) for parts in sides]
    trained, tested = ({digest: file for part in parts for digest, file in part.digests.items()} for parts in sides)
    equal = sorted((trained[digest], tested[digest]) for digest in trained.keys() & tested.keys())
    groups = [{group for part in parts for group in part.groups} for parts in sides]
    known = {name for part in sides[0] for name, (_, images) in part.classes.items() if images}
    people = known & {name for part in sides[1] for name in part.people}

    def both(file: str, other: str) -> tuple[SamplePlace, ...]:
        return tuple(found[name] for found, name in zip(places, (file, other), strict=True) if name in found)

    return [
        *(Finding(SHARED_IDENTITY, name, "by the name of its folder", False) for name in sorted(people)),
        *(Finding(SHARED, file, "", False, samples=both(file, file)) for file in sorted(places[0].keys() & places[1].keys())),
        *(Finding(SHARED_PIXELS, file, f"and {other}", False, samples=both(file, other)) for file, other in equal if file != other),
        *(Finding(SHARED_GROUP, group, "", False) for group in sorted(groups[0] & groups[1])),
    ]


def near_duplicates(datasets: Reports, known: Iterable[Finding]) -> list[Finding]:
    """Return a finding for each image that is nearly an earlier one: of the test data with the nearest of the training data first.

    Args:
        datasets: what the data sets hold.
        known: findings whose samples are not reported again.
    """
    sides = [[part for part in datasets.get(split, []) if part.hashed is not None] for split in ("train", "test")]
    hashed = [part.hashed for parts in sides for part in parts if part.hashed is not None]
    if not sum(len(part.bits) for part in hashed):
        return []
    places = [SamplePlace(part.name, index) for parts in sides for part in parts if part.hashed for index in part.hashed.indices]
    files = [file for part in hashed for file in part.files]
    trained = sum(len(part.hashed.bits) for part in sides[0] if part.hashed)
    pairs = find_near_pairs(
        np.concatenate([part.bits for part in hashed]),
        np.concatenate([part.thumbnails for part in hashed]),
        np.arange(len(files)) >= trained,
        _group_numbers(hashed),
    )
    reported = {place for finding in known if finding.kind in LEAKS for place in finding.samples}
    found: list[Finding] = []
    for kind, earlier, bits in ((NEARLY_SHARED, pairs.other, pairs.other_bits), (NEARLY_SAME, pairs.own, pairs.own_bits)):
        later = [place for place in np.flatnonzero(earlier >= 0).tolist() if kind == NEARLY_SAME or places[place] not in reported]
        # the most similar first
        for place in sorted(later, key=lambda place: (int(bits[place]), place)):
            other = int(earlier[place])
            # that a file is there twice is a finding of its own
            if files[place] != files[other]:
                detail = f"and {files[other]}: {bits[place]} of the 64 bits of their hashes differ"
                found.append(Finding(kind, files[place], detail, False, samples=(places[place], places[other])))
    return found


def _places(parts: Sequence[DatasetReport]) -> dict[str, SamplePlace]:
    return {file: SamplePlace(part.name, index) for part in reversed(parts) for file, index in part.places.items()}


def _group_numbers(hashed: Sequence[HashedImages]) -> np.ndarray:
    """Return a number for each group of images, -1 for none; those of several data sets are several."""
    names = [(number, group) if group else None for number, part in enumerate(hashed) for group in part.groups]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(name for name in names if name is not None))}
    return np.array([-1 if name is None else numbers[name] for name in names], np.int64)
