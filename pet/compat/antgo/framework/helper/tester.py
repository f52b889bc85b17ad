"""Measuring a trained network with the config of its training."""

import logging
from pathlib import Path

from pet.compat.antgo.framework.helper.trainer import WORK_DIR
from pet.compat.antgo.loaders import build_evaluation_loader
from pet.compat.antgo.measures.evaluator import MeasureEvaluator, build_measures, check_truths
from pet.compat.antgo.network import FieldNetwork, build_network, check_fields, load_checkpoint
from pet.compat.antgo.samples import build_dataset
from pet.compat.antgo.settings import AntgoConfig, open_settings
from pet.compat.antgo.translation import WORDS
from pet.compat.shared.running import find_trained, open_run
from pet.evaluation.loop import evaluate
from petlib import engine
from petlib.config import ConfigError

RECORD = "test_config.yaml"

logger = logging.getLogger(__name__)


class Tester:
    """Measures a network on ``data.test`` with the measures of ``evaluation``: :meth:`config_model`, :meth:`evaluate`.

    Args:
        cfg: path of a config, a dictionary, or a loaded config, see :class:`pet.compat.antgo.framework.helper.trainer.Trainer`.
        work_dir: folder of the run; ``metrics.json`` is written into it, or into ``evaluation.out_dir`` below it.
        device: ``auto`` takes CUDA where there is a GPU; ``cuda``, ``cpu``.

    Raises:
        ConfigError: the config cannot be read, a value is wrong, or a key is one that nothing reads.
    """

    def __init__(self, cfg: AntgoConfig, work_dir: str | Path = WORK_DIR, *, device: str = "auto") -> None:
        self._settings = open_settings(cfg, work_dir, device=device)
        self._network: FieldNetwork | None = None

    def config_model(self, checkpoint: str | Path | None = None) -> None:
        """Make the network and load its weights.

        Args:
            checkpoint: a checkpoint of this network; None: the best one of the training in ``work_dir``, else its latest.

        Raises:
            ConfigError: the network is not registered, or does not take its arguments.
            CheckpointError: there is no checkpoint, or it is damaged or of another network.
        """
        network = build_network(self._settings.components.get("model"))
        path = Path(checkpoint) if checkpoint is not None else self._find_trained()
        load_checkpoint(network, path)
        self._network = network

    def evaluate(self) -> dict[str, float]:
        """Return the metrics of all samples of ``data.test``, the same in every process, and write them into ``metrics.json``.

        Raises:
            ConfigError: an entry of the config is missing or wrong, or network, data and measures do not go together.
            DataError: a sample cannot be used.
        """
        if self._network is None:
            raise ConfigError("evaluate: there is no network yet; call config_model(checkpoint) before")
        data = build_dataset(self._settings.entry("data.test"), place="data.test")
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

    def _find_trained(self) -> Path:
        folder = self._settings.folder("checkpoint_config.out_dir")
        return find_trained(folder, advice="give the path of a checkpoint, or the work_dir of the training")
