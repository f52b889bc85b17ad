"""How many frames videos have: counted once by decoding, and kept next to them."""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from pet.data.files.videos import VideoFacts, count_decoded
from petlib.errors import DataError
from petlib.files import write_text_atomically

CACHE_NAME = ".frame_counts.json"
CACHE_VERSION = 1
SECONDS_BETWEEN_WRITES = 60.0
MOST_THREADS = 16
UNREADABLE = VideoFacts(frames=0)

logger = logging.getLogger(__name__)

Stamp = tuple[int, int]
"""Size and time of the last change of a file: when they are the same it is not counted again."""


def count_frames(root: Path, names: Sequence[str]) -> dict[str, VideoFacts]:
    """Return what is known of videos by their names below ``root``; one that cannot be read has no frames.

    Headers are not believed: some state frames that cannot be decoded. What was counted is kept in ``.frame_counts.json`` in ``root``;
    where that cannot be written, it is counted again by the next run, and so is what cannot be read.
    """
    stamps = {name: _stamp(root / name) for name in names}
    known = _read(root / CACHE_NAME)
    facts = {name: known[name][1] for name, stamp in stamps.items() if stamp is not None and known.get(name, (None,))[0] == stamp}
    facts |= {name: UNREADABLE for name, stamp in stamps.items() if stamp is None}
    missing = [name for name in stamps if name not in facts]
    if not missing:
        return facts
    start = last = time.monotonic()
    for name, found in _count(root, missing):
        facts[name] = found
        known[name] = (stamps[name], found)
        if time.monotonic() - last > SECONDS_BETWEEN_WRITES:
            last = time.monotonic()
            logger.info("%s: the frames of %d of %d videos are counted", root, len(facts), len(names))
            _write(root / CACHE_NAME, known)
    total = sum(facts[name].frames for name in missing)
    logger.info("%s: %d frames of %d videos counted in %.0f s", root, total, len(missing), time.monotonic() - start)
    _write(root / CACHE_NAME, known)
    return facts


def _count(root: Path, names: Sequence[str]) -> Iterator[tuple[str, VideoFacts]]:
    """Yield names and what was found. Decoders let go of the interpreter, so threads suffice."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as pool:
        yield from zip(names, pool.map(partial(_count_one, root), names), strict=True)


def _count_one(root: Path, name: str) -> VideoFacts:
    try:
        return count_decoded(root / name)
    except DataError as error:
        # whoever reads it reports it
        logger.debug("%s", error)
        return UNREADABLE


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns


def _read(path: Path) -> dict[str, tuple[Stamp | None, VideoFacts]]:
    """Return what a file of counts says; nothing where there is none, or one that cannot be used."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != CACHE_VERSION:
            return {}
        return {name: ((int(entry[0]), int(entry[1])), _facts(entry[2:])) for name, entry in content["videos"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _facts(values: Sequence[Any]) -> VideoFacts:
    frames, stated, rate, height, width = values
    return VideoFacts(int(frames), int(stated), float(rate), int(height), int(width))


def _write(path: Path, known: Mapping[str, tuple[Stamp | None, VideoFacts]]) -> None:
    videos = {name: [*stamp, *facts] for name, (stamp, facts) in known.items() if stamp is not None and facts.frames}
    # data that cannot be written to are common, and counting again costs time only
    with suppress(OSError):
        write_text_atomically(path, json.dumps({"version": CACHE_VERSION, "videos": videos}))
