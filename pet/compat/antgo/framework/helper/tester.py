"""Measuring a trained network with the config of its training."""

import logging
from collections.abc import Callable
from pathlib import Path

from torch import nn

from pet.compat.antgo.framework.helper.trainer import WORK_DIR
from pet.compat.antgo.loaders import build_evaluation_loader
from pet.compat.antgo.measures.evaluator import MeasureEvaluator, build_measures, check_truths
from pet.compat.antgo.network import FieldNetwork, ReviseKeys, build_network, check_fields, load_checkpoint
from pet.compat.antgo.samples import build_dataset
from pet.compat.antgo.settings import AntgoConfig, device_name, open_settings
from pet.compat.antgo.translation import WORDS
from pet.compat.shared.running import open_run
from pet.data.targets.names import NO_NAMES
from pet.evaluation.loop import evaluate
from petlib import engine
from petlib.config import ConfigError
from petlib.engine.changed_settings import other_names
from petlib.errors import DataError

RECORD = "test_config.yaml"

logger = logging.getLogger(__name__)


class Tester:
    """Measures a network on ``data.test`` with the measures of ``evaluation``: :meth:`config_model`, :meth:`evaluate`.

    Args:
        cfg: path of a config, a dictionary, or a loaded config, see :class:`pet.compat.antgo.framework.helper.trainer.Trainer`.
        work_dir: folder of the run; ``metrics.json`` is written into it, or into ``evaluation.out_dir`` below it.
        gpu_id, distributed: see :func:`pet.compat.antgo.settings.device_name`.
        device: ``auto`` takes CUDA where there is a GPU; ``cuda``, ``cpu``.

    Raises:
        ConfigError: the config cannot be read, a value is wrong, or a key is one that nothing reads.
    """

    def __init__(
        self,
        cfg: AntgoConfig,
        work_dir: str | Path = WORK_DIR,
        gpu_id: int | None = None,
        distributed: bool | None = None,
        *,
        device: str = "auto",
    ) -> None:
        self._settings = open_settings(cfg, work_dir, device=device_name(device, gpu_id, distributed=distributed))
        self._network: FieldNetwork | None = None
        self._names = NO_NAMES

    def config_model(
        self,
        checkpoint: str | Path | None = None,
        *,
        model_builder: Callable[[], nn.Module] | None = None,
        revise_keys: ReviseKeys = (),
        strict: bool = True,
    ) -> None:
        """Make the network and load its weights.

        Args:
            checkpoint: a checkpoint of this network; None or empty: the best one of the training in ``work_dir``, else its latest.
            model_builder: makes the network in the place of ``model`` of the config.
            revise_keys, strict: see :func:`pet.compat.antgo.network.load_checkpoint`.

        Raises:
            ConfigError: the network is not registered, or does not take its arguments.
            CheckpointError: there is no checkpoint, or it is damaged or of another network.
        """
        network = build_network(self._settings.components.get("model"), model_builder)
        self._names = load_checkpoint(network, self._settings.find_checkpoint(checkpoint), revise_keys=revise_keys, strict=strict)
        self._network = network

    def evaluate(self) -> dict[str, float]:
        """Return the metrics of all samples of ``data.test``, the same in every process, and write them into ``metrics.json``.

        Raises:
            ConfigError: an entry of the config is missing or wrong, or network, data and measures do not go together.
            DataError: a sample cannot be used, or the classes are not those of the training, in their order.
        """
        if self._network is None:
            raise ConfigError("evaluate: there is no network yet; call config_model(checkpoint) before")
        data = build_dataset(self._settings.entry("data.test"), place="data.test")
        difference = other_names(self._names, data.names)
        if difference:
            raise DataError(f"data.test: {difference}")
        measures = build_measures(self._settings.components)
        check_truths(measures, data.fields, place="data.test.inputs_def.fields")
        check_fields(self._network.network, "forward_test", data.fields, place="data.test.inputs_def.fields")
        cfg = self._settings.config({})
        with open_run(cfg, purpose="test", words=WORDS, record=RECORD) as device:
            options = self._settings.components["data.test_dataloader"].arguments
            loader = build_evaluation_loader(data, **options, cfg=cfg, device=device, place="data.test_dataloader")
            evaluator = MeasureEvaluator(measures)
            engine.write_record(cfg, RECORD)
            metrics = evaluate(engine.prepare_model(self._network, cfg, device), loader, [evaluator])
            evaluator.write(self._settings.folder("evaluation.out_dir"))
        logger.info("%s", evaluator.summary())
        return metrics
