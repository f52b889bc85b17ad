"""The space of a search: which settings are tried, and in which range. Read from YAML and checked against the settings of the task."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from petlib.config import CfgNode
from petlib.config.key import Key, flat_schema
from petlib.config.layers import Entry, Layer
from petlib.config.limits import read_text, shown
from petlib.config.yaml_file import read_yaml
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

RANGE_FIELDS = ("low", "high", "log", "step")
EXPECTED = "a list of values, or a range {low: 0.01, high: 1.0, log: True} expected"


@dataclass(frozen=True)
class Dimension:
    """A setting that is searched.

    Attributes:
        key: its dotted path.
        choices: the values to choose from; empty: it has a range.
        low: the smallest value of the range.
        high: the largest one.
        log: values are equally likely by their logarithm.
        step: the distance of the values; None: any between, of a whole number 1.
        whole: whether the range is of whole numbers.
    """

    key: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    whole: bool = False

    def values_to_check(self) -> list[Any]:
        """Return the values that show whether all are allowed: the choices, or the ends of the range."""
        return list(self.choices) or [self.low, self.high]

    def describe(self) -> dict[str, Any]:
        """Return it as plain data, by which a search that goes on is recognised."""
        return {**asdict(self), "choices": list(self.choices)}


def read_space(path: Path, cfg: CfgNode) -> list[Dimension]:
    """Return the space that a YAML file describes: keys of the config, dotted or nested, each with a list of values or a range.

    Args:
        path: the file.
        cfg: the config that is searched around, which knows its keys.

    Raises:
        ConfigError: all that is wrong in the file, a line each.
    """
    contents = read_yaml(path, _text(path), schemaless=True)
    problems = list(contents.problems)
    dimensions = []
    for key, given in _entries(contents.values, ""):
        place = f"{path}:{contents.lines.get(key, '')}: {key}"
        try:
            dimensions.append(_dimension(key, given, flat_schema(cfg.schema).get(key)))
        except ValueError as error:
            problems.append(f"{place}: {error}")
    probe = CfgNode(cfg.schema)
    entries = [Entry(one.key, value, str(contents.lines.get(one.key, ""))) for one in dimensions for value in one.values_to_check()]
    try:
        probe.merge_layers([Layer(str(path), entries)])
    except ConfigError as error:
        lines = str(error).splitlines()
        problems += dict.fromkeys(lines[1:] if lines[0].endswith("mistakes:") else lines)
    if problems:
        raise ConfigError("\n".join(problems))
    if not dimensions:
        raise ConfigError(f"{path}: it names no settings to search; {EXPECTED} for each")
    return dimensions


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; the space of a search is a YAML file") from None


def _entries(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield the keys with what is said of them; a mapping that is no range is a section."""
    for name, value in values.items():
        is_section = isinstance(value, dict) and value and not set(value) & set(RANGE_FIELDS)
        if is_section and all(str(word).isupper() or "." in str(word) for word in value):
            yield from _entries(value, f"{prefix}{name}.")
        else:
            yield prefix + str(name), value


def _dimension(key: str, given: Any, schema: Key | None) -> Dimension:
    """Return one dimension.

    Raises:
        ValueError: what is said of it is no list and no range.
    """
    if isinstance(given, list):
        if len(given) < 2:
            raise ValueError(f"{shown(given)} given, at least two values to choose from expected")
        return Dimension(key, choices=tuple(given))
    if not isinstance(given, dict):
        raise ValueError(f"{shown(given)} given, {EXPECTED}")
    unknown = [name for name in given if name not in RANGE_FIELDS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no part of a range{did_you_mean(str(unknown[0]), RANGE_FIELDS)}; {EXPECTED}")
    return _range(key, given, schema)


def _range(key: str, given: Mapping[str, Any], schema: Key | None) -> Dimension:
    numbers = [given.get("low"), given.get("high"), given.get("step", 1)]
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
        raise ValueError(f"{shown(dict(given))} given, numbers for low and high expected")
    log, step = given.get("log", False), given.get("step")
    if not isinstance(log, bool):
        raise ValueError(f"log: {shown(log)} given, True or False expected")
    low, high = given["low"], given["high"]
    if low >= high:
        raise ValueError(f"low is {low} and high is {high}; low has to be the smaller one")
    if log and (low <= 0 or step is not None):
        raise ValueError("a range with log begins above 0 and has no step")
    if step is not None and step <= 0:
        raise ValueError(f"step: {step} given, more than 0 expected")
    is_float = schema is not None and _is_float(schema, low)
    whole = not is_float and all(isinstance(number, int) for number in (low, high, 1 if step is None else step))
    return Dimension(key, low=low, high=high, log=log, step=step, whole=whole)


def _is_float(schema: Key, value: float) -> bool:
    try:
        return isinstance(schema.check(value), float)
    except ValueError:
        # the check of all values says why
        return isinstance(value, float)


def describe_value(value: Any) -> str:
    """Return a value as a table shows it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def describe_point(point: Mapping[str, Any], keys: Sequence[str] = ()) -> str:
    """Return settings in one line."""
    return ", ".join(f"{key}={describe_value(point[key])}" for key in keys or point)
