"""The samples of a test that were predicted best and worst, as pictures of the truth and of what was predicted."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from heapq import heappush, heappushpop
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor

from pet.data.objects import OBJECTS
from pet.data.report.display import side_by_side, title_of
from pet.data.targets.dataset import Dataset, ImageTruth
from pet.data.targets.drawing import draw_predictions, draw_targets
from pet.data.targets.kind import Judgement
from pet.data.targets.kinds import find_kind, select_objects
from pet.evaluation.evaluator import Collector
from pet.typed import AnyConfig
from pet.visual.canvas import scale_to_fit
from pet.visual.encoding import encode_jpeg
from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings, build_draw_settings
from petlib.distributed.collectives import gather_objects
from petlib.distributed.process_group import is_main_process
from petlib.files import write_text_atomically

SAMPLES_FILE = "samples.json"
"""What the pictures show, a record of each sample."""

PICTURE = (320, 420)
"""Height and width that a picture fits into, pixels."""

BEST, WORST, SHOWN = "best", "worst", "shown"

LATEST = "latest"
"""Folder of the pictures of the last evaluation within a training, in that of the run."""

LATEST_COUNT = 6

logger = logging.getLogger(__name__)


class _Kept(NamedTuple):
    """A sample: its image's place in the data set, that of the single object it is about, what is said of it, and the predictions."""

    place: int
    object: int | None
    judgement: Judgement | None
    predictions: Mapping[str, Any]


class Gallery(Collector, Protocol):
    """A collector of :func:`pet.evaluation.loop.evaluate` that measures nothing, and keeps pictures of some samples."""

    def write(self, folder: Path) -> None:
        """Write ``samples.json`` and its pictures into ``folder``; every process calls it, the main process writes."""


class GalleryMaker(Protocol):
    """The class of a gallery; :class:`SampleGallery` has the meaning of the arguments."""

    def __call__(self, *, dataset: Dataset, kinds: Sequence[str], drawing: DrawSettings, most: int, judges: bool) -> Gallery:
        """Return an empty gallery."""


class SampleGallery:
    """Keeps the predictions of the best and the worst samples of a test, and draws them next to the truth.

    What fails here is a warning and never ends an evaluation: its figures are what counts. A collector of
    :func:`pet.evaluation.loop.evaluate`, which measures nothing.

    Args:
        dataset: the samples; ``meta["index"]`` of one is its place there.
        kinds: the kinds of targets that are predicted, which judge the predictions.
        drawing: what is drawn, and how.
        most: samples of each sort that are kept.
        judges: keep the best and the worst ones; else the first ones of the main process.
    """

    def __init__(self, *, dataset: Dataset, kinds: Sequence[str], drawing: DrawSettings, most: int = 8, judges: bool = True) -> None:
        self._dataset, self._drawing, self._most, self._judges = dataset, drawing, most, judges
        self._kinds = [find_kind(kind) for kind in kinds]
        self._names = TargetNames.of_dataset(dataset)
        self._kept: dict[str, list[tuple[float, int, int, _Kept]]] = {BEST: [], WORST: [], SHOWN: []}
        self._taken = 0
        self._failure = ""

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        """Take the predictions of one batch."""
        enough = not self._judges and (len(self._kept[SHOWN]) >= self._most or not is_main_process())
        if self._failure or enough:
            return
        try:
            self._take(batch, predictions)
        except Exception as error:  # noqa: BLE001 -- pictures never end an evaluation
            self._failure = f"{type(error).__name__}: {error}"

    def compute(self) -> dict[str, float]:
        """Return no metric."""
        return {}

    def write(self, folder: Path) -> None:
        """Write ``samples.json`` and its pictures into ``folder``; every process calls it, the main process writes."""
        shares = gather_objects((self._kept, self._failure))
        if shares is None:
            return
        failure = next((failure for _, failure in shares if failure), "")
        try:
            if not failure:
                self._write(folder, [kept for kept, _ in shares])
        except Exception as error:  # noqa: BLE001 -- pictures never end an evaluation
            failure = f"{type(error).__name__}: {error}"
        if failure:
            logger.warning("the samples of this evaluation are not drawn: %s", failure)

    def _take(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        fields = {name: _as_array(values) for name, values in batch.items() if name in self._compared()}
        for place, (meta, prediction) in enumerate(zip(batch["meta"], predictions, strict=True)):
            # a sample of a single object is one of an image
            index = int(meta.get("image", meta["index"]))
            arrays = {name: _as_array(value) for name, value in prediction.items()}
            self._taken += 1
            if not self._judges:
                self._keep(SHOWN, -index, _Kept(index, meta.get("object"), None, arrays))
                continue
            sample = {"meta": meta, **{name: _as_array(values[place]) for name, values in fields.items()}}
            judgement = self._judge(arrays, sample, self._truth(meta, index))
            kept = _Kept(index, meta.get("object"), judgement, arrays)
            if judgement is None:
                self._keep(SHOWN, -index, kept)
            else:
                self._keep(BEST, judgement.score, kept)
                self._keep(WORST, -judgement.score, kept)

    def _compared(self) -> set[str]:
        return {name for kind in self._kinds for name in (*kind.fields, *kind.truth_fields.values())}

    def _truth(self, meta: Mapping[str, Any], index: int) -> ImageTruth | None:
        """Return what is known of the objects of a sample: of those of its image, or of the single one that it is about."""
        truth, place = self._dataset.truth(index), meta.get("object")
        if truth is None or place is None:
            return truth
        return truth.select(np.flatnonzero(~truth.crowd)[[place]]) if place >= 0 else None

    def _judge(self, predictions: dict[str, Any], sample: dict[str, Any], truth: ImageTruth | None) -> Judgement | None:
        found = [kind.judge(predictions, sample, truth, self._names) for kind in self._kinds]
        judged = [one for one in found if one is not None and np.isfinite(one.score)]
        if not judged:
            return None
        return Judgement(float(np.mean([one.score for one in judged])), "; ".join(one.remark for one in judged))

    def _keep(self, sort: str, rank: float, sample: _Kept) -> None:
        # of equal ranks the first sample stays, whatever the batches; several may be of one image, and predictions have no order
        entry = (rank, -sample.place, -self._taken, sample)
        kept = self._kept[sort]
        if len(kept) < self._most:
            heappush(kept, entry)
        elif entry[:3] > kept[0][:3]:
            heappushpop(kept, entry)

    def _write(self, folder: Path, shares: Sequence[Mapping[str, Any]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for earlier in folder.glob("sample*.jpg"):
            earlier.unlink()
        records, seen = [], set()
        for sort in (WORST, BEST, SHOWN):
            entries = sorted((entry for kept in shares for entry in kept[sort]), key=lambda entry: entry[:3], reverse=True)
            for *_, entry in entries[: self._most]:
                # few samples are both
                if entry[:2] not in seen:
                    seen.add(entry[:2])
                    records.append({"sort": sort, **self._draw(folder, entry)})
        write_text_atomically(folder / SAMPLES_FILE, json.dumps(records, ensure_ascii=False))

    def _draw(self, folder: Path, entry: _Kept) -> dict[str, Any]:
        sample, stem = self._dataset[entry.place], f"sample{entry.place}"
        name = title_of(sample, entry.place)
        if entry.object is not None and entry.object >= 0:
            sample = select_objects(sample, np.arange(len(sample[OBJECTS])) == entry.object, OBJECTS)
            name, stem = f"{name}, object {entry.object + 1}", f"{stem}_{entry.object}"
        views = side_by_side(name, sample)
        shown = views[-1][1]
        fitting = self._drawing._replace(scale=scale_to_fit(shown["image"].shape[:2], PICTURE))
        pictures = [(title, draw_targets(view, self._names, fitting)) for title, view in views[:-1]]
        found = {**entry.predictions, "meta": sample["meta"]}
        truth, prediction = draw_targets(shown, self._names, fitting), draw_predictions(shown["image"], found, self._names, fitting)
        if entry.judgement is None and np.array_equal(truth, prediction):
            pictures.append(("image", truth))
        else:
            pictures += [("truth", truth), ("prediction", prediction)]
        files = []
        for number, (title, picture) in enumerate(pictures):
            file = f"{stem}_{number}.jpg"
            (folder / file).write_bytes(encode_jpeg(picture))
            files.append({"title": title, "file": file, "width": picture.shape[1], "height": picture.shape[0]})
        judgement = entry.judgement or Judgement(float("nan"), "")
        score = judgement.score if np.isfinite(judgement.score) else None
        return {"name": name, "score": score, "remark": judgement.remark, "pictures": files}


def _as_array(value: Any) -> Any:
    if isinstance(value, Tensor):
        value = value.detach()
        return (value.float() if value.is_floating_point() else value).cpu().numpy()
    return value


def build_gallery(cfg: AnyConfig, make: GalleryMaker = SampleGallery) -> Callable[[Dataset, Sequence[str], bool], Gallery] | None:
    """Return what gives a gallery of a data set and its kinds; its last argument says whether it keeps the best and the worst samples.

    None: ``REPORT.ENABLED`` is off, or ``REPORT.SAMPLES`` is 0.

    Args:
        cfg: the config.
        make: the class of the gallery.
    """
    if not cfg.REPORT.ENABLED or not cfg.REPORT.SAMPLES:
        return None
    drawing, most = build_draw_settings(cfg), cfg.REPORT.SAMPLES

    def build(dataset: Dataset, kinds: Sequence[str], judges: bool) -> Gallery:
        return make(dataset=dataset, kinds=kinds, drawing=drawing, most=most if judges else min(most, LATEST_COUNT), judges=judges)

    return build
