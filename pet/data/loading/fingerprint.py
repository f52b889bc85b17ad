"""Which data a run had, in a line: how many samples, and a number that changes with their files."""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from pet.data.loading.share_record import ShareRecord
from pet.data.targets.dataset import Dataset
from petlib.data.protocols import NamedFiles
from petlib.distributed.process_group import is_main_process
from petlib.files import write_text_atomically

DATA_RECORD = "data.json"
"""What a run had for its training and its test, in the folder of the run."""

LOOKED_AT = 1000
"""Files whose names and sizes are looked at, spread over the data: a start with millions of files does not wait for it."""

logger = logging.getLogger(__name__)


def recorder(share: ShareRecord, folder: str, use: str, names: Sequence[str], dataset: Dataset) -> Callable[[], None]:
    """Return what a run calls when it begins with its data: once it writes down which they are, and what a share picked.

    Args:
        share: what entries of the catalogue picked.
        folder: of the run; empty: it has none, and nothing is written.
        use: ``train`` or ``test``.
        names: of the data sets, as the config has them.
        dataset: the samples.
    """

    @cache
    def record() -> None:
        if folder:
            share.write()
            record_fingerprint(Path(folder), use, names, dataset)

    return record


def record_fingerprint(folder: Path, use: str, names: Sequence[str], dataset: Dataset) -> None:
    """Write down what the data of a use are; the main process does it. That it cannot is a warning.

    Args:
        folder: of the run.
        use: ``train`` or ``test``.
        names: of the data sets, as the config has them.
        dataset: the samples.
    """
    if not is_main_process():
        return
    path = folder / DATA_RECORD
    try:
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        line = f"{', '.join(names) or 'given by the program'}: {len(dataset):,} samples, fingerprint {fingerprint(dataset)}"
        if known.get(use) != line:
            write_text_atomically(path, json.dumps({**known, use: line}, ensure_ascii=False, indent=1))
    except Exception as error:  # noqa: BLE001 -- a record never ends a run
        logger.warning("which data the run has is not recorded: %s: %s", type(error).__name__, error)


def fingerprint(dataset: Dataset) -> str:
    """Return twelve digits that follow from the number of samples, and names and sizes of up to a thousand of their files.

    The folder that the data lie in has no influence. Data that know no files differ by number and classes.
    """
    digest = hashlib.sha256(f"{len(dataset)} {list(dataset.info.classes)} {list(dataset.info.semseg_classes)}".encode())
    if isinstance(dataset, NamedFiles) and len(dataset):
        for index in np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), LOOKED_AT)).round().astype(np.int64)).tolist():
            file = Path(dataset.file_of(index))
            size = file.stat().st_size if file.is_file() else -1
            digest.update(f"{'/'.join(file.parts[-2:])} {size}\n".encode())
    return digest.hexdigest()[:12]
