"""Action recognition as a task."""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from pet import data, evaluation, exporting, prediction
from pet.data.loading.build import build_sample_transforms
from pet.data.targets.names import NO_NAMES
from pet.data.transforms.clips import count_views
from pet.evaluation.classification import ClassificationEvaluator
from pet.evaluation.evaluation import SeveralEvaluations
from pet.evaluation.multilabel import MultilabelEvaluator
from pet.exporting.network import ClassLogits
from pet.models.classification import MultilabelHead, build_classification_head
from pet.models.classifiers import last_layer_names, synchronise_batch_norm
from pet.models.video.build import build_video_network
from pet.task import Task
from pet.tasks.action.model import ActionClassifier
from pet.typed import ActionConfig
from petlib import data as loading
from petlib.config import ConfigError, keys_in_errors

PREFIX = "action"


class ActionTask(Task[ActionConfig]):
    """The classes of videos, from clips that the first transform chooses."""

    def build_model(self, cfg: ActionConfig) -> ActionClassifier:
        """Return the network of the ``MODEL`` section, with random weights."""
        with keys_in_errors(cfg):
            network = build_video_network(
                cfg.MODEL.NETWORK,
                backbone=cfg.MODEL.BACKBONE,
                num_classes=cfg.MODEL.NUM_CLASSES,
                frames=cfg.MODEL.FRAMES,
                args=cfg.MODEL.BACKBONE_ARGS,
            )
        network = synchronise_batch_norm(network, cfg) if cfg.MODEL.SYNC_BN else network
        head = MultilabelHead() if cfg.MODEL.MULTI_LABEL else build_classification_head(cfg)
        return ActionClassifier(network, head=head, frames=cfg.MODEL.FRAMES)

    def expected_data(self, cfg: ActionConfig) -> "data.Expectation":
        """Return that clips with their class, or classes, are wanted."""
        kind = "multilabel" if cfg.MODEL.MULTI_LABEL else "label"
        counts, settings = {kind: cfg.MODEL.NUM_CLASSES}, {kind: "MODEL.NUM_CLASSES"}
        return data.Expectation(kinds=(kind,), counts=counts, inputs=("clip",), settings=settings)

    def head_pattern(self, cfg: ActionConfig, model: nn.Module) -> str:
        """Return the last layer."""
        if cfg.FINETUNE.HEAD:
            return super().head_pattern(cfg, model)
        network = _own(model).network
        inner = getattr(network, "backbone", None)
        prefix = "network" if inner is None else r"network\.backbone"
        names = "|".join(map(re.escape, last_layer_names(network if inner is None else inner)))
        return rf"^{prefix}\.({names})\."

    def build_training_data(self, cfg: ActionConfig, device: torch.device, dataset: "data.Dataset | None" = None) -> "loading.TrainLoader":
        """Return the batches of ``TRAIN.DATASETS``, of one clip of each video.

        Raises:
            ConfigError: the transforms choose no frames, or several clips.
        """
        views = _count_views(cfg, "TRAIN.TRANSFORMS")
        if views != (1, 1):
            raise ConfigError(f"TRAIN.TRANSFORMS: {views[0]} clips in {views[1]} crops of each video, and a training learns from one clip")
        return super().build_training_data(cfg, device, dataset)

    def build_evaluation(
        self,
        cfg: ActionConfig,
        device: torch.device,
        dataset: "data.Dataset | None" = None,
        *,
        names: Mapping[str, Sequence[str]] = NO_NAMES,
    ) -> "evaluation.Evaluation":
        """Return the evaluation on ``TEST.DATASETS`` with ``TEST.TRANSFORMS``; a test measures the views of ``TEST.VIEW_TRANSFORMS`` too.

        Raises:
            ConfigError: both have as many views, or the transforms choose no frames.
        """
        views = _count_views(cfg, "TEST.TRANSFORMS")
        single = super().build_evaluation(cfg, device, dataset, names=names)
        if not cfg.TEST.VIEW_TRANSFORMS:
            return single
        clips, crops = _count_views(cfg, "TEST.VIEW_TRANSFORMS")
        if (clips, crops) == views:
            raise ConfigError(f"TEST.VIEW_TRANSFORMS: {clips} clips in {crops} crops, as many as TEST.TRANSFORMS; leave one empty")
        several = super().build_evaluation(_with_views(cfg), device, dataset, names=names)
        return SeveralEvaluations([single, several], folders=["", f"{clips}x{crops}"], in_training=1)

    def build_evaluators(self, cfg: ActionConfig, dataset: "data.Dataset", *, keep_predictions: bool) -> "Sequence[evaluation.Evaluator]":
        """Return the evaluator, whose metrics say how many clips and crops of each video are looked at: ``action/acc1@1x1``."""
        clips, crops = _count_views(cfg, "TEST.TRANSFORMS")
        named = {"prefix": PREFIX, "suffix": f"@{clips}x{crops}"}
        if cfg.MODEL.MULTI_LABEL:
            classes = [*dataset.info.classes, *map(str, range(len(dataset.info.classes), cfg.MODEL.NUM_CLASSES))]
            return [MultilabelEvaluator(classes=classes, keep_predictions=keep_predictions, **named)]
        count = cfg.MODEL.NUM_CLASSES
        return [ClassificationEvaluator(classes=dataset.info.classes, num_classes=count, keep_predictions=keep_predictions, **named)]

    def build_predictor(self, cfg: ActionConfig, device: torch.device, *, window: int = 0) -> "prediction.FilePredictor":
        """Return the model with the weights of ``TEST.WEIGHTS``, or an exported file, ready to predict videos."""
        _count_views(cfg, "TEST.TRANSFORMS")
        return prediction.build_whole_clips(cfg, device, lambda: self.build_model(cfg), self.expected_data(cfg).kinds, window=window)

    def build_export_network(self, cfg: ActionConfig, model: nn.Module) -> "exporting.TaskNetwork":
        """Return the network of one view: the input ``clips`` (B, C, T, H, W) and the output ``logits``, or ``class_scores``.

        Raises:
            ConfigError: ``TEST.TRANSFORMS`` make several views.
        """
        if _count_views(cfg, "TEST.TRANSFORMS") != (1, 1):
            raise ConfigError("TEST.TRANSFORMS: an exported network looks at one clip; give the others in TEST.VIEW_TRANSFORMS")
        network: nn.Module = ClassLogits(_own(model).network)
        output, half = "logits", "backbone"
        if cfg.MODEL.MULTI_LABEL:
            network, output, half = nn.Sequential(network, nn.Sigmoid()), "class_scores", "0.backbone"
        return exporting.TaskNetwork(
            network=network,
            output_names=[output],
            half=[half],
            input_names=["clips"],
            frames=cfg.MODEL.FRAMES,
            script=exporting.Script("clips", usage="VIDEO [VIDEO ...]"),
        )


def _count_views(cfg: ActionConfig, key: str) -> tuple[int, int]:
    """Return how many clips and crops the transforms ``key`` make of a video."""
    section, _, name = key.partition(".")
    transforms, _ = build_sample_transforms(cfg[section][name], cfg[section].RESIZE.SCALES, [], place=key)
    return count_views(transforms, place=key)


def _with_views(cfg: ActionConfig) -> ActionConfig:
    """Return the config of the test with several views."""
    changed = cfg.clone()
    changed.defrost()
    changed.set("TEST.TRANSFORMS", list(cfg.TEST.VIEW_TRANSFORMS))
    changed.freeze()
    return changed


def _own(model: nn.Module) -> ActionClassifier:
    assert isinstance(model, ActionClassifier), f"a {type(model).__name__} is no model of this task"
    return model


TASK = ActionTask()
