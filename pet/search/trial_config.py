"""The config of a trial: a file that names the config that is searched around as its base, and what differs."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from pet.search.space import Dimension
from petlib.config import CfgNode, load_cfg
from petlib.config.key import flat_schema
from petlib.config.layers import COMMAND_LINE
from petlib.config.load import TaskConfig
from petlib.errors import ConfigError
from petlib.files import write_text_atomically


@dataclass(frozen=True)
class Around:
    """What a search is around.

    Attributes:
        config: the file.
        type_folder: folder of its task, e.g. ``tasks/cls``.
        task: the settings of the task.
        cfg: the config, with what the command line changes.
    """

    config: Path
    type_folder: str
    task: TaskConfig
    cfg: CfgNode

    def write(self, path: Path, folder: Path, point: Mapping[str, Any]) -> None:
        """Write the config of a run with other settings.

        Args:
            path: the file.
            folder: output folder of the run.
            point: settings by their dotted keys.
        """
        given = {key: value for key, value in self.cfg.flat().items() if self.cfg.given().get(key) == COMMAND_LINE}
        # trackers and lines of the log call it like the config that is searched around
        settings = {**given, **point, "MISC.NAME": self.cfg.MISC.NAME, "MISC.CKPT": str(folder)}
        head = {"_TYPE_": self.type_folder, "_BASE_": str(self.config.absolute())}
        text = yaml.safe_dump({**head, **_nested(settings)}, sort_keys=False, allow_unicode=True)
        write_text_atomically(path, text)


def check_space(around: Around, dimensions: Sequence[Dimension], space: Path, scratch: Path) -> None:
    """Check each end of each range and each choice with the settings of the task, as a training does before it begins.

    Args:
        around: what is searched around.
        dimensions: the space.
        space: its file, for messages.
        scratch: a file to write configs into.

    Raises:
        ConfigError: values that the task refuses, settings that have no effect in any trial, or that the command line gives; a line each.
    """
    others = [Dimension("", choices=(None,)), *(one for one in dimensions if one.choices)]
    switched = [{one.key: value} if one.key else {} for one in others for value in one.choices]
    given, values = around.cfg.given(), around.cfg.flat()
    problems = [
        f"{space}: {one.key}: it is searched here, and the command line gives it the value {values[one.key]}; leave one of them out"
        for one in dimensions
        if given.get(one.key) == COMMAND_LINE
    ]
    for dimension in dimensions:
        configs: list[CfgNode] = []
        for value in dimension.values_to_check():
            try:
                configs.append(_load(around, scratch, {dimension.key: value}))
            except ConfigError as error:
                problems.append(f"{space}: {dimension.key} = {value}: {error}")
        reasons = [_reason(cfg, dimension.key) for cfg in configs]
        if reasons and all(reasons):
            pairs = product(switched, dimension.values_to_check())
            if all(_is_unused(around, scratch, {**other, dimension.key: value}, dimension.key) for other, value in pairs):
                problems.append(f"{space}: {dimension.key}: it has no effect in any trial: {reasons[0]}")
    if problems:
        raise ConfigError("\n".join(problems))


def _load(around: Around, scratch: Path, point: Mapping[str, Any]) -> CfgNode:
    around.write(scratch, scratch.with_suffix(""), point)
    return load_cfg(around.task, scratch, type_folder=around.type_folder)


def _is_unused(around: Around, scratch: Path, point: Mapping[str, Any], key: str) -> bool:
    try:
        return bool(_reason(_load(around, scratch, point), key))
    except ConfigError:
        # this combination is refused, which says nothing about others
        return True


def _reason(cfg: CfgNode, key: str) -> str:
    """Return why a setting has no effect; empty: it has one."""
    schema, settings = flat_schema(cfg.schema).get(key), cfg.flat()
    off = next((switch for switch in schema.used_if if not switch.is_on(settings)), None) if schema is not None else None
    return "" if off is None else " and ".join(f"{other} is {settings[other]!r}" for other in off.decisive_keys())


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in settings.items():
        *sections, name = key.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = deepcopy(value)
    return nested
