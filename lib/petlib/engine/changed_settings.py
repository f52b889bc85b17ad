"""A run that continues with other settings: what changed, what that means, and what cannot be continued."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from petlib.config.key import Effect, Key, Schema, flat_schema
from petlib.config.node import CfgNode
from petlib.config.typed import PetlibConfig
from petlib.config.yaml_file import read_yaml
from petlib.errors import CheckpointError, ConfigError

MOST_NAMES = 20
"""Names that a message lists."""


class ChangedSetting(NamedTuple):
    """A setting that has another value than in the run that saved the checkpoint.

    Attributes:
        key: its path.
        old: the value there.
        new: the value in the run that is to continue.
        effect: what that means.
    """

    key: str
    old: Any
    new: Any
    effect: Effect

    def __str__(self) -> str:
        return f"{self.key}: {self.old!r} -> {self.new!r} ({self.effect})"


class SavedSettings:
    """Compares the settings of a checkpoint with those of the run that is to continue from it.

    Args:
        cfg: the settings of this run.
        names: what the numbers of its model are called, by kind of target.

    Attributes:
        changes: what differs; filled by :meth:`inspect`.
    """

    def __init__(self, cfg: PetlibConfig, names: Mapping[str, Sequence[str]]) -> None:
        self._cfg = cfg
        self._names = names
        self.changes: list[ChangedSetting] = []

    def inspect(self, saved: Mapping[str, Any], origin: str) -> None:
        """Take note of what a checkpoint says, before anything of it is restored.

        Args:
            saved: what it holds.
            origin: where it was read, for messages.

        Raises:
            CheckpointError: the run cannot be continued with the settings of this one.
        """
        self.changes = changed_settings(saved.get("config"), self._cfg, origin)
        if any(change.effect is Effect.REFUSED for change in self.changes):
            raise CheckpointError(f"{origin}: the run cannot be continued with other settings than its own")
        difference = other_names(saved.get("names"), self._names)
        if difference:
            raise CheckpointError(
                f"{origin}: the run cannot be continued with other names than its own: {difference}\n"
                "  correct the data, or begin a new run with another MISC.CKPT"
            )

    def describe(self) -> str:
        """Return a line for each change; nothing where there is none."""
        return "".join(f"\n  {change}" for change in self.changes)

    def advice(self) -> str:
        """Return what to add to the message of a checkpoint that does not fit."""
        if not self.changes:
            return ""
        return (
            f"\nsettings that differ from those of the checkpoint:{self.describe()}\n"
            "set them back to continue the run; to begin a new one choose another MISC.CKPT, or add TRAIN.AUTO_RESUME False"
        )


def other_names(saved: Any, names: Mapping[str, Sequence[str]]) -> str:
    """Return how the names of a checkpoint differ from those of the data, in words; empty: they agree, or one side knows none."""
    for kind, own in names.items():
        known = saved.get(kind) if isinstance(saved, Mapping) else None
        if isinstance(known, list) and known != list(own):
            order = "; name the classes in the order of the checkpoint" if sorted(map(str, known)) == sorted(own) else ""
            return f"{kind} are {_shown(known)} in the checkpoint and {_shown(own)} in the data{order}"
    return ""


def _shown(names: Sequence[Any]) -> str:
    return f"{', '.join(map(str, names[:MOST_NAMES]))}{', ...' if len(names) > MOST_NAMES else ''} ({len(names)})"


def changed_settings(text: Any, cfg: PetlibConfig, origin: str) -> list[ChangedSetting]:
    """Return the settings that differ from those in a checkpoint, in the order of the config.

    A setting that the checkpoint does not know counts as changed where it has not its default value, which it had then.

    Args:
        text: the config of the checkpoint as YAML; anything else gives no changes.
        cfg: the present config.
        origin: where the text was read, for messages.
    """
    if not isinstance(text, str):
        return []
    try:
        saved = dict(_leaves(read_yaml(Path(origin), text).values, cfg.schema, ""))
    except ConfigError:
        return []
    saved = {**CfgNode(cfg.schema).flat(), **saved}
    keys = flat_schema(cfg.schema)
    return [
        ChangedSetting(path, saved[path], value, keys[path].effect or Effect.FROM_HERE)
        for path, value in cfg.flat().items()
        if path in saved and saved[path] != value
    ]


def _leaves(values: Mapping[str, Any], schema: Schema, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield the settings of nested values that the schema knows, with their dotted names."""
    for name, value in values.items():
        entry = schema.get(name)
        if isinstance(entry, Key):
            yield prefix + name, value
        elif entry is not None and isinstance(value, Mapping):
            yield from _leaves(value, entry, f"{prefix}{name}.")
