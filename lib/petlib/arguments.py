"""Entries of a config, a name with arguments, against the signature of what they name."""

import functools
import inspect
import operator
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from petlib.config.key import annotation_name, coerce
from petlib.config.limits import shown
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean


def split_entry(place: str, entry: Any, *, example: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the arguments of an entry: a bare name, or a mapping with the key ``name``.

    Args:
        place: the key of the config, for messages: ``"TRANSFORMS"``.
        entry: what is given there.
        example: a mapping that is right, for messages: ``"{name: RandomCrop, size: 32}"``.

    Raises:
        ConfigError: the entry is neither.
    """
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
        return entry["name"], {str(key): value for key, value in entry.items() if key != "name"}
    raise ConfigError(f"{place}: {shown(entry)} given, a name or a mapping like {example} expected")


def fit_arguments(
    kind: str, name: str, component: Callable[..., Any], given: Mapping[str, Any], *, example: str = "{{name: {name}, {argument}: ...}}"
) -> dict[str, Any]:
    """Return ``given`` in the types that ``component`` declares, e.g. the int 1 as 1.0 where a float belongs.

    Parameters without an annotation, and those with one that no config can hold, are not looked at; neither is what ``**kwargs`` takes.

    Args:
        kind: what the component is, for messages: ``"transform"``.
        name: what the config calls it.
        component: a class or function.
        given: names and values.
        example: how an entry is written, with the fields ``name`` and ``argument``, for messages.

    Raises:
        ConfigError: an argument is unknown, missing or of another type.
    """
    parameters = inspect.signature(component).parameters
    open_ended = {key for key, parameter in parameters.items() if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)}
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    named = [key for key in parameters if key not in open_ended]
    for argument in given:
        if argument not in named and not takes_any:
            takes = ", ".join(named) or "no arguments"
            raise ConfigError(f"{kind} {name}: unknown argument {argument!r}{did_you_mean(argument, named)} (it takes {takes})")
    lacking = [key for key in named if parameters[key].default is inspect.Parameter.empty and key not in given]
    if lacking:
        raise ConfigError(f"{kind} {name}: {', '.join(lacking)} missing; write {example.format(name=name, argument=lacking[0])}")
    declared = {key: annotation for key, annotation in _annotations(component).items() if key not in open_ended}
    # def f(path: str = None) says that None is right, too
    free = {key for key, value in given.items() if value is None and key in named and parameters[key].default is None}
    return {
        argument: value if argument in free else _fit(f"{kind} {name}: {argument}", value, declared.get(argument, Any))
        for argument, value in given.items()
    }


def _annotations(component: Callable[..., Any]) -> dict[str, Any]:
    """Return what is declared of parameters; nothing where names in it exist for a type checker only, or the component is an object."""
    try:
        return typing.get_type_hints(component.__init__ if inspect.isclass(component) else component)
    except (NameError, TypeError):
        return {}


def _fit(place: str, value: Any, annotation: Any) -> Any:
    wanted = _plain(annotation)
    try:
        return coerce(value, wanted)
    except ValueError:
        raise ConfigError(f"{place}: {shown(value)} given, {annotation_name(wanted)} expected") from None


def _plain(annotation: Any) -> Any:
    """Return an annotation in the terms of a config: sequences are lists, what a config cannot hold is ``Any``."""
    if isinstance(annotation, types.UnionType):
        parts = [_plain(part) for part in typing.get_args(annotation)]
        return Any if Any in parts else functools.reduce(operator.or_, parts)
    if annotation in (bool, int, float, str, dict, types.NoneType):
        return annotation
    if typing.get_origin(annotation) in (list, Sequence):
        # typing.List may be given without what it holds
        inner = _plain(next(iter(typing.get_args(annotation)), Any))
        return list if inner is Any else types.GenericAlias(list, (inner,))
    return Any
