"""Which files a ``share`` of the catalogue picked, written down next to a run."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from pet.data.catalog.entries import CatalogEntry
from pet.data.loading.joined import SomeSamples
from petlib.distributed.process_group import is_main_process
from petlib.errors import OutputError
from petlib.files import write_text_atomically

TRAIN_RECORD = "train_share.txt"
TEST_RECORD = "test_share.txt"


class ShareRecord:
    """The files of the samples that entries of the catalogue picked, one a line, below a line about the entry.

    It is written when the run begins with these data: one that is refused leaves the record of the run before.

    Args:
        path: the file; it stays as it is where there is no share.

    Attributes:
        shares: name in the catalogue -> its entry, and the samples that it picked.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.shares: Mapping[str, tuple[CatalogEntry, SomeSamples]] = {}

    def write(self) -> None:
        """Write the file; the main process does it.

        Raises:
            OutputError: it cannot be written.
        """
        if not self.shares or not is_main_process():
            return
        text = "\n".join("\n".join(_lines(name, *share)) + "\n" for name, share in self.shares.items())
        try:
            write_text_atomically(self._path, text)
        except OSError as error:
            raise OutputError(
                f"{self._path}: what a share picked cannot be written: {error.strerror}; make room, or choose another folder"
            ) from error


def _lines(name: str, entry: CatalogEntry, samples: SomeSamples) -> Iterator[str]:
    start, end = entry.share
    yield f"# {name}: share [{start:g}, {end:g}], seed {entry.seed}: {len(samples)} of {samples.num_all} samples, in their order"
    files = (samples.file_of(index) or f"sample {samples.place_of(index)}" for index in range(len(samples)))
    # the windows of an image have one file
    yield from (file.replace("\n", " ") for file, _ in groupby(files))
