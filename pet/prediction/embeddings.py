"""Models that give embeddings: one file with those of all images."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from pet.exporting.runtime import find_onnx_weights
from pet.models.pretrained import load_test_weights
from pet.prediction.inputs import FileInput, ImageSource, as_picture
from pet.prediction.output import Output, Predictions
from pet.prediction.predictors.samples import build_model_samples, build_onnx_samples
from pet.prediction.whole_images import UNREADABLE, ImageFiles, SamplePredictor, check_readable
from pet.typed import PetConfig
from pet.visual.names import TargetNames
from petlib.data.protocols import Dataset
from petlib.engine.model import prepare_model
from petlib.errors import ConfigError
from petlib.files import temporary_path

FILE = "embeddings.npz"


class FileEmbeddings:
    """Writes ``embeddings.npz``: ``files``, their paths (N,), and ``embeddings``, float32 (N, D); a :class:`pet.prediction.FilePredictor`.

    Args:
        predictor: gives ``embedding`` for each sample.
        flip: add the embedding of the mirrored image, where the predictor does not do so itself.
    """

    names = TargetNames()
    num_images = 1

    def __init__(self, predictor: SamplePredictor, *, flip: bool) -> None:
        self._predictor = predictor
        self._flip = flip

    def predict_images(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Write the embeddings of images in the order of their names; a file that cannot be read is reported and left out."""
        if not inputs:
            return
        files, embeddings = [], []
        for meta, embedding in self._embed(ImageFiles([entry.paths[0] for entry in inputs])):
            output.progress(1.0)
            if UNREADABLE in meta:
                output.leave_out(meta[UNREADABLE])
                continue
            files.append(meta["file"])
            embeddings.append(embedding)
        output.summary.images += len(files)
        if files:
            self._write(files, np.stack(embeddings), output)

    def predict_videos(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Refuse videos.

        Raises:
            ConfigError: there is one.
        """
        for entry in inputs:
            raise ConfigError(f"find_inputs.images: {entry.paths[0]} is a video; embeddings are those of images: give images")

    def predict_in_memory(self, inputs: Sequence[Sequence[ImageSource]]) -> Iterator[Predictions]:
        """Yield ``embedding``, float32 (D,), of images."""
        for meta, embedding in self._embed(ImageFiles([image for (image,) in inputs])):
            check_readable(meta)
            yield {"embedding": embedding}

    def picture_of(self, images: Sequence[ImageSource]) -> np.ndarray:
        """Return the image."""
        return as_picture(images[0])

    def _embed(self, images: Dataset) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
        """Yield ``meta`` and the embedding of each image."""
        mirrored = self._predictor.predict(_Mirrored(images)) if self._flip else None
        for meta, predictions in self._predictor.predict(images):
            embedding = predictions["embedding"]
            if mirrored is not None:
                embedding = embedding + next(mirrored)[1]["embedding"]
            yield meta, embedding.astype(np.float32)

    def _write(self, files: Sequence[str], embeddings: np.ndarray, output: Output) -> None:
        with output.writing(FILE) as target:
            with temporary_path(target) as temporary, temporary.open("wb") as sink:
                np.savez(sink, files=np.array(files), embeddings=embeddings)
            output.summary.written.append(target)


class _Mirrored:
    """Samples whose images are mirrored."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = self._dataset[index]
        return {**sample, "image": np.ascontiguousarray(sample["image"][:, ::-1])}


def build_file_embeddings(cfg: PetConfig, device: torch.device, build_model: Callable[[], nn.Module], *, flip: bool) -> FileEmbeddings:
    """Return a model with the weights of ``TEST.WEIGHTS``, or the exported file that it names, ready to write embeddings.

    Args:
        cfg: the config.
        device: where the model runs; an exported file runs on the CPU.
        build_model: gives the model with random weights, which adds the embedding of the mirrored image itself where ``flip`` is on.
        flip: add the embedding of the mirrored image.

    Raises:
        CheckpointError: the weights are missing or do not fit.
        ConfigError: the network is unknown.
    """
    exported = find_onnx_weights(cfg)
    if exported is not None:
        return FileEmbeddings(build_onnx_samples(cfg, exported, exact_size=True), flip=flip)
    model = build_model()
    load_test_weights(model, cfg)
    # files of one's own have any shape, and what transforms leave of them may have several
    return FileEmbeddings(build_model_samples(cfg, prepare_model(model, cfg, device), device, (), batch_size=1), flip=False)
