"""The data set ``shapes``: drawn, not downloaded, and written as files in COCO format when it is first used."""

import fcntl
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pet.data.catalog.source import Source, check_split
from pet.data.datasets.coco import CocoDataset, build_coco
from pet.data.datasets.shapes_writing import ANNOTATIONS, GENERATOR, IMAGES, VERSION, write_shapes
from pet.data.files.json_files import read_json
from petlib.data.records import share_records
from petlib.errors import DataError

COUNTS = {"train": 1000, "test": 200}
logger = logging.getLogger(__name__)


def build_shapes(source: Source) -> CocoDataset:
    """Return a split of ``shapes``, 128x128 pixels: 1,000 images for training and 200 for testing, written first where absent.

    Circles, squares, triangles and little figures, 1 to 5 an image and partly over each other, before cluttered
    backgrounds; with boxes, masks, semantic labels, and 5 keypoints and 6 body parts of the figures. The first process
    of each machine writes, the others wait; every process has to call this.

    Raises:
        ConfigError: there is no such split.
        DataError: the folder cannot be written, or holds something else.
    """
    check_split("shapes", source.split)
    annotations = Path(share_records(lambda: [str(_write_where_absent(source.path, source.split))])[0])
    return build_coco(source._replace(path=annotations.parent / IMAGES, annotations=annotations))


def _write_where_absent(folder: Path, split: str) -> Path:
    place = folder / split / ANNOTATIONS
    if _is_current(place, split):
        return place
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f".{split}.lock"):
            # another run may have written it while this one waited
            if not _is_current(place, split):
                start = time.perf_counter()
                write_shapes(folder, split=split, count=COUNTS[split])
                logger.info("shapes: %d images written to %s in %.0f s", COUNTS[split], place.parent, time.perf_counter() - start)
    except OSError as error:
        raise DataError(
            f"{place.parent}: the data set shapes cannot be written there: {error.strerror} ({error.filename or folder}); "
            "set Source.root to a folder that can be written"
        ) from error
    return place


def _is_current(place: Path, split: str) -> bool:
    """Return whether the files are there and of this generator; files of an older one may be replaced, others may not."""
    if not place.parent.exists() or not any(place.parent.iterdir()):
        return False
    try:
        info = read_json(place, what="the COCO file")["info"]
        ours = info["description"] == GENERATOR
    except (DataError, LookupError, TypeError):
        ours = False
    if not ours:
        raise DataError(
            f"{place.parent}: there is something that Pet did not write, where the data set shapes would be; "
            "move it away or give shapes another path in CatalogEntry"
        )
    return bool(info.get("version") == VERSION and info.get("count") == COUNTS[split])


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait until no other process holds this lock, which ends with its process."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
