"""Several data sets as one."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from petlib.data.protocols import Dataset, NamedFiles, Sample


class ConcatenatedDataset:
    """The samples of several data sets, one data set after another.

    Attributes:
        datasets: the data sets.
    """

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        assert datasets, "no data set to concatenate"
        self.datasets = list(datasets)
        self._ends = list(accumulate(map(len, self.datasets)))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Sample:
        number, inside = self.locate(index)
        return self.datasets[number][inside]

    def file_of(self, index: int) -> str:
        """Return the file of a sample without reading it; empty where its data set does not know."""
        number, inside = self.locate(index)
        dataset = self.datasets[number]
        return dataset.file_of(inside) if isinstance(dataset, NamedFiles) else ""

    def locate(self, index: int) -> tuple[int, int]:
        """Return the number of the data set that holds sample ``index``, and the place of the sample in it.

        Raises:
            IndexError: there is no such sample.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        number = bisect_right(self._ends, index)
        return number, index - (self._ends[number] - len(self.datasets[number]))
