"""Face recognition as a task."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from pet import data, exporting, prediction
from pet.data.datasets.face_templates import FaceTemplates
from pet.data.datasets.verification import VerificationImages
from pet.data.targets.dataset import Dataset, Expectation
from pet.evaluation.evaluation import Evaluation, SeveralEvaluations, build_evaluation
from pet.evaluation.evaluator import Evaluator
from pet.evaluation.pair_samples import PairGallery
from pet.evaluation.samples import SampleGallery
from pet.evaluation.verification import TemplateEvaluator, VerificationEvaluator
from pet.exporting.embeddings import embedding_network
from pet.models.class_centres import ClassCentres
from pet.prediction.embeddings import build_file_embeddings
from pet.task import NO_NAMES, Task
from pet.tasks.face.model import FaceNetwork, MarginHook, build_centres, build_network
from pet.typed import FaceConfig
from petlib import engine
from petlib.checkpoint.origin import UNRECORDED, Origin
from petlib.config import ConfigError

TESTED = Expectation(kinds=())
"""What a test wants of its data: images. Whom they show the model does not know."""


class FaceTask(Task[FaceConfig]):
    """Identities in training; in a test pairs of images of people whom the training need not have."""

    def build_model(self, cfg: FaceConfig) -> FaceNetwork:
        """Return the network of the ``MODEL`` section, with random weights; a training puts :meth:`build_centres` into it."""
        return build_network(cfg)

    def build_centres(self, cfg: FaceConfig, device: torch.device) -> ClassCentres:
        """Return the loss of a training; see :func:`pet.tasks.face.model.build_centres`."""
        return build_centres(cfg, device)

    def expected_data(self, cfg: FaceConfig) -> Expectation:
        """Return that a training wants the identity of each image."""
        counts = {"label": cfg.MODEL.NUM_CLASSES} if cfg.MODEL.NUM_CLASSES else {}
        return Expectation(kinds=("label",), counts=counts, settings={"label": "MODEL.NUM_CLASSES"})

    def expected_test_data(self, cfg: FaceConfig) -> Expectation:
        """Return that a test wants images alone."""
        return TESTED

    def build_evaluation(
        self,
        cfg: FaceConfig,
        device: torch.device,
        dataset: Dataset | None = None,
        *,
        names: Mapping[str, Sequence[str]] = NO_NAMES,
    ) -> SeveralEvaluations:
        """Return the evaluation of each of ``TEST.DATASETS``, or of the pairs that a program brings.

        Raises:
            ConfigError: there are neither, or the data are no pairs.
            DataError: a data set is missing or cannot be used.
        """
        if dataset is None and not cfg.TEST.DATASETS:
            raise ConfigError("TEST.DATASETS: nothing given; name the pairs to test on")
        given = {"pairs": dataset} if dataset is not None else {}
        found = given or {name: data.build_dataset(cfg, [name], ()) for name in cfg.TEST.DATASETS}
        return SeveralEvaluations([self._build_one(cfg, device, name, pairs) for name, pairs in found.items()])

    def _build_one(self, cfg: FaceConfig, device: torch.device, name: str, pairs: Dataset) -> Evaluation:
        if not isinstance(pairs, VerificationImages | FaceTemplates):
            raise ConfigError(
                f"TEST.DATASETS: {name} has no pairs of images to compare; take a list of pairs (verification_pairs), a .bin file "
                "(verification_bin), IJB-C's folder (face_templates) or facets_test; tools/data/identity_pairs.py makes a list from folders"
            )

        def build_evaluators(_: Dataset, keep_predictions: bool) -> list[Evaluator]:
            accepts, positives = cfg.EVAL.FALSE_ACCEPTS, cfg.EVAL.FALSE_POSITIVES
            if not isinstance(pairs, FaceTemplates):
                return [VerificationEvaluator(name=name, pairs=pairs.pairs, false_accepts=accepts, keep_predictions=keep_predictions)]
            rates = {"false_accepts": accepts, "false_positives": positives}
            return [TemplateEvaluator(name=name, templates=pairs, **rates, keep_predictions=keep_predictions)]

        gallery = SampleGallery if isinstance(pairs, FaceTemplates) else PairGallery
        return build_evaluation(cfg, device, TESTED, build_evaluators, dataset=pairs, gallery=gallery)

    def build_hooks(self, cfg: FaceConfig, model: nn.Module) -> "list[engine.Hook]":
        """Return in addition what says to the centres which iteration follows."""
        return [*super().build_hooks(cfg, model), MarginHook(warm_up_epochs=cfg.MODEL.MARGIN.WARM_UP_EPOCHS)]

    def build_predictor(self, cfg: FaceConfig, device: torch.device, *, window: int = 0) -> "prediction.FilePredictor":
        """Return what writes the embeddings of images."""
        if window:
            raise ConfigError(f"build_predictor.window: {window} given, but this model looks at whole images; leave it out")
        return build_file_embeddings(cfg, device, lambda: self.build_model(cfg), flip=cfg.TEST.FLIP)

    def build_export_network(self, cfg: FaceConfig, model: nn.Module) -> "exporting.TaskNetwork":
        """Return the backbone: images to embeddings, of the image as it is and not normalised."""
        assert isinstance(model, FaceNetwork), f"a {type(model).__name__} is no model of this task"
        return embedding_network(model.backbone, flip=cfg.TEST.FLIP)

    def build_exported_model(self, cfg: FaceConfig, file: "exporting.ExportedFile") -> nn.Module:
        """Return what embeds images, and mirrored ones where ``TEST.FLIP`` is on."""
        return prediction.ExportedModel(file, flip=cfg.TEST.FLIP)

    def export(
        self,
        cfg: FaceConfig,
        model: nn.Module,
        path: Path,
        *,
        names: Mapping[str, Sequence[str]] = NO_NAMES,
        origin: Origin = UNRECORDED,
    ) -> "exporting.ExportReport":
        """Write the backbone, compared with PyTorch on the images of the pairs; the names of the training mean nothing to it."""
        return exporting.export_task(cfg, self.build_export_network(cfg, model), (), path, origin=origin)


TASK = FaceTask()
