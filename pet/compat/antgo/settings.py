"""A config of the user as the settings of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pet.compat.antgo.translation import translate
from pet.compat.shared.running import begin_script, find_trained
from pet.compat.shared.translation import Translated, process_count
from petlib.config import PETLIB_SCHEMA, CfgNode, ConfigError
from petlib.config.nested import Component, NestedConfig, nested_of, read_nested

AntgoConfig = str | Path | Mapping[str, Any] | NestedConfig
"""A file, a dictionary, or a config that was read with :func:`petlib.config.nested.read_nested`."""


@dataclass(frozen=True)
class RunSettings:
    """What a Trainer, Tester or Exporter knows of its run.

    Attributes:
        translated: the config in Pet's terms.
        work_dir: folder of the run.
        device: ``MISC.DEVICE``.
        name: of the run.
    """

    translated: Translated
    work_dir: Path
    device: str
    name: str

    @property
    def components(self) -> dict[str, Component]:
        """The parts that are built by name."""
        return self.translated.components

    def entry(self, place: str) -> dict[str, Any]:
        """Return a part as the config has it, with its ``type``.

        Raises:
            ConfigError: the config has none.
        """
        component = self.components.get(place)
        if component is None:
            raise ConfigError(f"{place}: missing in {self.name}; {place} = dict(type=..., ...) expected")
        return {"type": component.name, **component.arguments}

    def folder(self, place: str) -> Path:
        """Return a folder that the config names, below the one of the run unless it is that one; without it the one of the run."""
        component = self.components.get(place)
        if component is None or Path(component.name).resolve() == self.work_dir.resolve():
            return self.work_dir
        return self.work_dir / component.name

    def find_checkpoint(self, checkpoint: str | Path | None) -> Path:
        """Return a checkpoint that is named; None or empty: the best one of the training in ``work_dir``, else its latest.

        Raises:
            CheckpointError: none is named, and there is none.
        """
        if checkpoint:
            return Path(checkpoint)
        folder = self.folder("checkpoint_config.out_dir")
        return find_trained(folder, advice="give the path of a checkpoint, or the work_dir of the training")

    def config(self, changes: Mapping[str, Any]) -> CfgNode:
        """Return the settings of Pet, frozen.

        Args:
            changes: further keys of Pet and their values.

        Raises:
            ConfigError: a value does not fit.
        """
        cfg = CfgNode(PETLIB_SCHEMA)
        own = {"MISC.CKPT": str(self.work_dir), "MISC.NAME": self.name, "MISC.DEVICE": self.device, "ANALYSER.ENABLED": False}
        for key, value in {**self.translated.settings, **own, **changes}.items():
            cfg.set(key, value)
        cfg.freeze()
        return cfg


def open_settings(cfg: AntgoConfig, work_dir: str | Path, *, device: str) -> RunSettings:
    """Read a config and translate it.

    Raises:
        ConfigError: the config cannot be read, a value is wrong, or a key is one that nothing reads.
    """
    begin_script()
    config = open_config(cfg)
    translated = translate(config)
    config.require_all_read()
    return RunSettings(translated, Path(work_dir), device, config.path.name if config.path is not None else Path(work_dir).name)


def device_name(device: str, gpu_id: int | None, *, distributed: bool | None) -> str:
    """Return the name of the device that antgo's arguments mean.

    Args:
        device: ``auto``, ``cuda`` or ``cpu``.
        gpu_id: as ``--gpu_id`` of antgo's scripts; -1: the CPU, 0: the first visible GPU where there is one; with several processes each
            takes its own, whatever it is. None: what ``device`` says.
        distributed: whether there are several processes; None: whatever there are.

    Raises:
        ConfigError: the number of processes is another one, or another GPU is named.
    """
    count = process_count()
    if distributed is not None and distributed != (count > 1):
        advice = "start the script with torchrun --nproc_per_node N" if distributed else "leave it out, or start one process"
        raise ConfigError(f"distributed: {distributed} given, but the number of processes is {count}; {advice}")
    if gpu_id is None or gpu_id == 0 or count > 1:
        return device
    if gpu_id > 0:
        raise ConfigError(f"gpu_id: {gpu_id} given; start the script with CUDA_VISIBLE_DEVICES={gpu_id} and give 0")
    return "cpu"


def open_config(cfg: AntgoConfig) -> NestedConfig:
    """Return a config that is given as a file, as a dictionary or loaded.

    Raises:
        ConfigError: it is none of these, or the file cannot be read.
    """
    if isinstance(cfg, NestedConfig):
        return cfg
    if isinstance(cfg, Mapping):
        return nested_of(cfg, source="the dictionary cfg")
    if isinstance(cfg, str | Path):
        return read_nested(Path(cfg))
    raise ConfigError(f"cfg: {type(cfg).__name__} given; the path of a config, a dictionary, or a config of read_nested expected")
