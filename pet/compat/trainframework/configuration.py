"""The config of a run, as the user's classes read it: ``cfg.TRAINER.LOSS``, in either case of letters."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pet.compat.shared.translation import Translated
from pet.compat.trainframework.translation import LOOKED_UP_IN, translate
from petlib.config import PETLIB_SCHEMA, CfgNode
from petlib.config.nested import NestedConfig, read_nested
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean


class MissingSettingError(ConfigError, AttributeError):
    """A setting is asked for that the config does not have; ``hasattr`` and ``getattr`` with a default know it, too."""


class Settings(Mapping[str, Any]):
    """A section of the config, as a mapping and with attribute access, in either case of letters.

    A section below it comes back as :class:`Settings`, anything else as the config has it. What is taken from it counts as
    read; of a section that does what is taken from that one.

    Args:
        config: the section.
        name: its dotted key, for messages; empty: the whole config.
    """

    def __init__(self, config: NestedConfig, name: str = "") -> None:
        self._config = config
        self._name = name

    def __getitem__(self, key: str | int) -> Any:
        """Return a value or a section.

        Raises:
            ConfigError: there is none.
        """
        own = self._spelling(key)
        if own is not None:
            return self._take(own)
        further = LOOKED_UP_IN.get(self._name)
        if further is not None and self._config.has(further):
            inner = Settings(self._config.section(further), f"{self._name}.{further}")
            if key in inner:
                return inner[key]
        where = f"{self._name}.{key}".lower().removeprefix(".")
        names = [str(name) for name in self]
        raise MissingSettingError(f"the config has no {where}{did_you_mean(str(key), names)}; there are: {', '.join(names) or 'none'}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __contains__(self, key: object) -> bool:
        return self._spelling(key) is not None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._config.to_dict())

    def __len__(self) -> int:
        return len(self._config.to_dict())

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value or a section, or ``default`` where there is none."""
        try:
            return self[key]
        except MissingSettingError:
            return default

    def to_dict(self) -> dict[Any, Any]:
        """Return all of it as plain nested dictionaries, whose names may be numbers; all counts as read."""
        return {name: self._config.get(str(name)) for name in self}

    def locate(self, key: str = "") -> str:
        """Return where a setting, or the section itself, is in the config, for messages."""
        return self._config.place(key)

    def _spelling(self, key: object) -> str | None:
        return next((name for name in map(str, self) if name.lower() == str(key).lower()), None)

    def _take(self, name: str) -> Any:
        if any(str(own) == name and isinstance(value, Mapping) for own, value in self._config.to_dict().items()):
            return Settings(self._config.section(name), f"{self._name}.{name}" if self._name else name)
        return self._config.get(name)


class TrainFrameworkConfig(Settings):
    """The whole config of a run, with what Pet made of it.

    Args:
        config: what the file and the command line hold.
        resume: go on from the latest checkpoint of the output folder.

    Raises:
        ConfigError: a setting that Pet reads is missing or wrong.

    Attributes:
        nested: what the file and the command line hold.
        translated: Pet's settings and the components by name.
        run: Pet's settings, frozen.
    """

    def __init__(self, config: NestedConfig, *, resume: bool = False) -> None:
        super().__init__(config)
        self.nested = config
        self.translated: Translated = translate(config)
        self.run = _run_config(self.translated.settings, config.path, resume=resume)


def read_config(path: str | Path, overrides: Sequence[str] = (), *, resume: bool = False) -> TrainFrameworkConfig:
    """Read a config file, ``.py`` (as data, it is not executed) or YAML.

    Args:
        path: the file.
        overrides: settings that replace those of the file, e.g. ``["solver.max_iter=100"]``.
        resume: go on from the latest checkpoint of the output folder.

    Raises:
        ConfigError: it cannot be read, or a setting that Pet reads is missing or wrong.
    """
    return TrainFrameworkConfig(read_nested(Path(path), overrides, ignore_case=True), resume=resume)


def _run_config(settings: Mapping[str, Any], path: Path | None, *, resume: bool) -> CfgNode:
    """Return the settings of a run on Pet's engine, frozen."""
    cfg = CfgNode(PETLIB_SCHEMA)
    for key, value in settings.items():
        cfg.set(key, value)
    if not cfg.MISC.NAME:
        cfg.set("MISC.NAME", path.name if path else "train")
    cfg.set("TRAIN.AUTO_RESUME", resume)
    cfg.freeze()
    return cfg
