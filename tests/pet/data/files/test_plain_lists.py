"""Lists that are read as a whole: the same rows as line by line, and only where no line needs a second look."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pet.data.datasets.list_file import ListFile
from pet.data.files import plain_lists
from pet.data.files.plain_lists import PlainRows, scan
from petlib.errors import DataError

LINE_BY_LINE = "# a line that is not plain\n"
PLAIN = ["a.png 0\nb/c.png 12\na.png 0", "a,b.png\tcat,tail\nc\td\n", "a.png,n01\nb.png,n02\n", "a 007\nb 7\n", "workers/a.png 1\n"]
NOT_PLAIN = [
    *("", "\n", "a\n", "a b c\n", " b\n", "a \n", "a  b\n", "a b\n\nc d\n", "a b\n# c d\n", "a b\r\n", "\u00e4.png b\n"),
    *("a,1 2\n", "a\t1 2\n", "a,1\nb\tc,2\n", "a\x01b 1\n", "a\x7fb 1\n", "a,1\nb\x1f,2\n", f"a 1\n{'b' * 2**20} 1\n"),
    *("a 1\nb c\n", "a 1\nb 1c\n", "a -1\n", "a 12345678\n", f"a {'b' * 65}\n", "a 1\nb 2\na 2\n", "a b\na c\n", "a 1\nb,2\n"),
    *("/a.png 1\n", "./a.png 1\n", "b/../a.png 1\n", "b\\a.png 1\n", "a%20b.png 1\n", "work/a.png 1\n", "work 1\n"),
]


def described(path: Path) -> Any:
    """Return all that a list says, or its error."""
    try:
        dataset = ListFile(path=path)
    except DataError as error:
        return str(error)
    labels = [dataset.labels_of(index).tolist() for index in range(len(dataset))]
    return dataset.names, labels, dataset.numeric, dataset.info


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_list_says_what_it_says_line_by_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(text)
    assert scan(text.encode(), ["work"]) is not None
    as_a_whole = described(path)
    path.write_text(f"{text.rstrip()}\n{LINE_BY_LINE}")
    assert as_a_whole == described(path)


@pytest.mark.parametrize("text", NOT_PLAIN)
def test_what_needs_a_second_look_is_not_plain(text: str) -> None:
    assert scan(text.encode(), ["work"]) is None


@pytest.mark.parametrize("block_bytes", [1, 7, 40, 2**22])
def test_random_lists_in_blocks_of_any_size(block_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_lists, "BLOCK_BYTES", block_bytes)
    rng = np.random.default_rng(block_bytes)
    path = tmp_path / "list.txt"
    for labels in (["cat", "dog", "a_longer_name", "x"], ["3", "0", "007", "41"]):
        rows = [f"{rng.integers(3)}/{'i' * int(rng.integers(5))}{number}.png {labels[rng.integers(4)]}" for number in range(60)]
        path.write_text("\n".join(rows))
        assert scan(path.read_bytes(), []) is not None
        as_a_whole = described(path)
        path.write_text("\n".join([*rows, LINE_BY_LINE]))
        assert as_a_whole == described(path)


def test_lines_are_read_by_their_place() -> None:
    arrays = scan(b"a.png dog\nb.png cat\nc.png dog\n", [])
    assert arrays is not None
    rows = PlainRows(arrays)
    assert (len(rows), rows.labels, rows[1], rows[-1]) == (3, {"cat", "dog"}, ("b.png", "cat", 2), ("c.png", "dog", 3))
    assert list(rows.numbered_from(1)) == [rows[0], rows[2]]
    with pytest.raises(IndexError):
        rows[3]
