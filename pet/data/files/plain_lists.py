"""Lists of plain lines ``name label``, read as a whole: millions of lines in seconds, and in memory that all processes share.

A list is plain where no line needs a second look: each has a name and a label, printable ASCII without blanks, one separator, the
same in all lines, and a name that means just what it says. The labels are all numbers or all names. Any other list is read line by line.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from pet.data.files.limits import LONGEST_PATH

SEPARATORS = b"\t, "
"""Of these the first one that a line has separates its fields."""
NEWLINE, SLASH, DOT = b"\n/."
PRINTABLE = range(0x21, 0x7F)
ODD_BYTES = b"\\%"
ODD_BEGINNINGS = b"#./"
MOST_DIGITS = 7
LONGEST_LABEL = 64
LONGEST_LINE = 2**16
BLOCK_BYTES = 2**18
"""So much of a list is looked at in one go: what is computed of it fits a processor's cache."""

MOST_THREADS = 4

Arrays = Mapping[str, np.ndarray]


class Row(NamedTuple):
    """A line of a list.

    Attributes:
        name: of the image.
        label: a number, or the name of a class.
        line: number of the line, from 1.
    """

    name: str
    label: int | str
    line: int


class PlainRows(Sequence[Row]):
    """The lines of a plain list, each made into a :class:`Row` when it is asked for.

    Args:
        arrays: what :func:`scan` returned.

    Attributes:
        numbers: the label of each line: the number, or the place of the name among ``label_names``.
        label_names: names of the labels, sorted; None: labels are numbers.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._text, self._starts, self.numbers = arrays["text"], arrays["starts"], arrays["numbers"]
        self._separator = arrays["separator"].tobytes()
        names = arrays["label_names"].tobytes().decode("ascii")
        self.label_names = names.split("\n") if names else None

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Row:  # type: ignore[override]  # slices are not needed
        place = range(len(self))[index]
        line = self._text[self._starts[place] : self._starts[place + 1] - 1].tobytes()
        number = int(self.numbers[place])
        label = number if self.label_names is None else self.label_names[number]
        return Row(line.partition(self._separator)[0].decode("ascii"), label, place + 1)

    @property
    def labels(self) -> set[int | str]:
        """The labels that occur."""
        return set(np.unique(self.numbers).tolist() if self.label_names is None else self.label_names)

    def numbered_from(self, number: int) -> Iterator[Row]:
        """Yield the lines with this number for a label, or a greater one."""
        return (self[int(place)] for place in np.flatnonzero(self.numbers >= number))


class _Block(NamedTuple):
    """What some lines have.

    Attributes:
        starts: where each line begins, int64.
        names: a number for each name, uint64; the same for the same name.
        labels: the labels that are numbers, int64, or a number for each label, uint64; the same for the same label.
    """

    starts: np.ndarray
    names: np.ndarray
    labels: np.ndarray


def scan(data: bytes, odd_folders: Collection[str]) -> Arrays | None:
    """Return the lines of a list as arrays; None where it is not plain, or an image has several labels.

    Args:
        data: the file.
        odd_folders: names of folders; a name that begins with one of them may mean another file.
    """
    # ends like every line, so that none is an exception
    text = np.frombuffer(data if data.endswith(b"\n") else data + b"\n", np.uint8)
    end = data.find(b"\n")
    first_line = data if end < 0 else data[:end]
    separator = next((mark for mark in SEPARATORS if mark in first_line), None)
    if separator is None:
        return None
    ends = _ends_of_blocks(data, len(text))
    blocks = [(start, text[start:stop]) for start, stop in pairwise([0, *ends])]
    longest = max(len(block) for _, block in blocks)
    if longest > BLOCK_BYTES + LONGEST_LINE:
        return None
    scanner = _Scanner(separator, [folder.encode("utf-8") for folder in odd_folders], longest=longest)
    found: list[_Block] = []
    # numpy computes without Python's lock, so that several blocks are looked at in the same time
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as threads:
        for block in threads.map(lambda block: scanner.scan(block[1], offset=block[0]), blocks):
            if block is None or (found and block.labels.dtype != found[0].labels.dtype):
                threads.shutdown(cancel_futures=True)
                return None
            found.append(block)
    return _joined(text, separator, found, scanner.label_names)


def _ends_of_blocks(data: bytes, length: int) -> Iterator[int]:
    """Yield where blocks of whole lines end, the last one after ``length`` bytes."""
    end = 0
    while end < length:
        # the end of the last line may be missing
        end = data.find(b"\n", end + BLOCK_BYTES) + 1 or length
        yield end


def _joined(text: np.ndarray, separator: int, blocks: Sequence[_Block], label_names: Mapping[int, str]) -> Arrays | None:
    names = np.concatenate([block.names for block in blocks])
    labels = np.concatenate([block.labels for block in blocks])
    if _count_distinct(names) != _count_distinct(names * np.uint64(3) ^ labels.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)):
        return None
    ordered = sorted(label_names.values())
    if label_names:
        place_of = {name: place for place, name in enumerate(ordered)}
        known = np.array(sorted(label_names), np.uint64)
        labels = np.array([place_of[label_names[number]] for number in known.tolist()])[np.searchsorted(known, labels)]
    return {
        "text": text,
        "starts": np.concatenate([*(block.starts for block in blocks), [len(text)]]),
        "numbers": labels.astype(np.int32),
        "separator": np.array([separator], np.uint8),
        "label_names": np.frombuffer("\n".join(ordered).encode("ascii"), np.uint8),
    }


def _count_distinct(numbers: np.ndarray) -> int:
    ordered = np.sort(numbers)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + min(1, len(ordered))


class _Scanner:
    """Looks at blocks of whole lines.

    Args:
        separator: the byte between name and label.
        odd_folders: beginnings of names that are not plain.
        longest: bytes of the longest block.

    Attributes:
        label_names: number of a label that is a name -> the label, of the lines that were looked at.
    """

    def __init__(self, separator: int, odd_folders: Sequence[bytes], *, longest: int) -> None:
        self.label_names: dict[int, str] = {}
        self._separator = separator
        self._odd_folders = odd_folders
        # what comes before the separator in SEPARATORS would separate; what comes after it may be in a name
        self._odd_bytes = [*ODD_BYTES, *SEPARATORS[: SEPARATORS.index(separator)]]
        # numbers of names: the values of polynomials, modulo 2^64, at a point that a list cannot know
        point = int(np.random.default_rng().integers(2**62)) * 2 + 1
        self._powers, self._inverse_powers = _powers(point, longest + 1), _powers(pow(point, -1, 2**64), longest + 1)

    def scan(self, text: np.ndarray, offset: int) -> _Block | None:
        """Return what the lines of ``text`` have, which begins at ``offset`` of the file; None: they are not plain."""
        ends = np.flatnonzero(text == NEWLINE)
        marks = np.flatnonzero(text == self._separator)
        if len(ends) != len(marks) or not self._is_plain(text, len(ends)):
            return None
        starts = np.concatenate([[0], ends[:-1] + 1])
        if (marks - starts).max(initial=0) > LONGEST_PATH:
            return None
        if not ((marks > starts) & (marks < ends - 1)).all() or self._has_odd_names(text, starts, marks):
            return None
        names, label_texts = self._numbers(text, starts, marks)
        labels = self._labels(text, marks + 1, ends, label_texts)
        return None if labels is None else _Block(starts + offset, names, labels)

    def _is_plain(self, text: np.ndarray, lines: int) -> bool:
        """Return whether all bytes but newlines and separators are printable and say what they mean."""
        # of bytes that are smaller than the first printable one the difference is large, too
        others = np.count_nonzero(text - PRINTABLE.start >= len(PRINTABLE))
        expected = lines if self._separator in PRINTABLE else 2 * lines
        return others == expected and not any((text == byte).any() for byte in self._odd_bytes)

    def _has_odd_names(self, text: np.ndarray, starts: np.ndarray, marks: np.ndarray) -> bool:
        if np.isin(text[starts], list(ODD_BEGINNINGS)).any() or ((text[:-1] == DOT) & (text[1:] == DOT)).any():
            return True
        for folder in self._odd_folders:
            # fewer and fewer lines are looked at
            places = np.flatnonzero(marks - starts >= len(folder))
            for shift, byte in enumerate(folder):
                places = places[text[starts[places] + shift] == byte]
            following = text[starts[places] + len(folder)]
            if ((following == SLASH) | (following == self._separator)).any():
                return True
        return False

    def _labels(self, text: np.ndarray, starts: np.ndarray, ends: np.ndarray, numbers: np.ndarray) -> np.ndarray | None:
        """Return the labels that are numbers, else ``numbers``, of which the same label has the same; None: they are not plain."""
        lengths = ends - starts
        if lengths.max() > LONGEST_LABEL:
            return None
        begins_as_number = (text[starts] <= ord("9")) & (text[starts] >= ord("0"))
        if begins_as_number.all():
            return _read_numbers(text, starts, lengths)
        if begins_as_number.any() or (text[starts] == ord("-")).any():
            return None
        for number, place in zip(*(found.tolist() for found in np.unique(numbers, return_index=True)), strict=True):
            if number not in self.label_names:
                self.label_names[number] = text[starts[place] : ends[place]].tobytes().decode("ascii")
        return numbers

    def _numbers(self, text: np.ndarray, starts: np.ndarray, marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a number for each name and for each label, the same for the same text wherever it is, uint64."""
        # of a name its polynomial times the power of its place, of a label that of what is from the separator to the end of the line
        places = np.stack([starts, marks], axis=1).reshape(-1)
        values = np.add.reduceat(text * self._powers[: len(text)], places) * self._inverse_powers[places]
        return values[0::2], values[1::2]


def _powers(base: int, count: int) -> np.ndarray:
    powers = np.full(count, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)


def _read_numbers(text: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray | None:
    """Return the numbers that begin at ``starts``, int64; None: something else does, or they are too long."""
    if lengths.max() > MOST_DIGITS:
        return None
    numbers = np.zeros(len(starts), np.int64)
    for place in range(int(lengths.max())):
        longer = np.flatnonzero(lengths > place)
        digits = text[starts[longer] + place].astype(np.int64) - ord("0")
        if ((digits < 0) | (digits > 9)).any():
            return None
        numbers[longer] = numbers[longer] * 10 + digits
    return numbers
