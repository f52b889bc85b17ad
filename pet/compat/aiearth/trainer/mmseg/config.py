"""A config of Pet under the names of mmseg's configs."""

from collections.abc import Iterator, Mapping
from typing import Any

from pet.compat.aiearth.trainer.mmseg.translation import TABLE
from petlib.config import CfgNode, ConfigError
from petlib.config.layers import Entry, Layer
from petlib.suggest import did_you_mean, nearest_names

PLACE = "trainer.cfg"


class UnknownKeyError(ConfigError, AttributeError):
    """A key that is not read. An ``AttributeError`` as well, so that ``hasattr`` answers."""


class MMSegConfig:
    """Settings with attribute and item access: ``cfg.runner["max_iters"] = 2``, ``cfg.data.samples_per_gpu``.

    Nothing is kept here: a value that is read comes from Pet's config, one that is written goes there. A dictionary that is
    assigned to a section changes the keys that it names. Keys that Pet has no use for are refused.

    Args:
        pet: Pet's config.
        section: path of this section; empty: the whole.

    Raises:
        ConfigError: where a value is written that does not fit.
        UnknownKeyError: where a key is read or written that means nothing.
    """

    def __init__(self, pet: CfgNode, section: str = "") -> None:
        object.__setattr__(self, "_pet", pet)
        object.__setattr__(self, "_section", section)

    @property
    def pet(self) -> CfgNode:
        """Pet's own config, for all that has no name here."""
        pet: CfgNode = object.__getattribute__(self, "_pet")
        return pet

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            # asked by copy and pickle, also of objects that are not made yet
            raise AttributeError(name)
        path = self._path(name)
        if path in TABLE:
            return TABLE[path].read(self.pet)
        if _keys_of(path):
            return MMSegConfig(self.pet, path)
        raise _unknown(path)

    def __setattr__(self, name: str, value: Any) -> None:
        path = self._path(name)
        if path in TABLE:
            _write(self.pet, path, value)
        elif not _keys_of(path):
            raise _unknown(path)
        elif not isinstance(value, Mapping):
            raise ConfigError(f"{PLACE}.{path}: {value!r} given, a dictionary with {', '.join(_keys_of(path))} expected")
        else:
            section = MMSegConfig(self.pet, path)
            for key, item in value.items():
                section[key] = item

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    def __contains__(self, name: str) -> bool:
        return name in _keys_of(self._section)

    def __iter__(self) -> Iterator[str]:
        return iter(_keys_of(self._section))

    def __repr__(self) -> str:
        return repr(self.to_dict())

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value or a section, or ``default`` where there is no such key."""
        return getattr(self, name) if name in self else default

    def to_dict(self) -> dict[str, Any]:
        """Return all values as nested dictionaries."""
        values = {name: self[name] for name in self}
        return {name: value.to_dict() if isinstance(value, MMSegConfig) else value for name, value in values.items()}

    def _path(self, name: str) -> str:
        return f"{self._section}.{name}" if self._section else name


def _keys_of(section: str) -> list[str]:
    """Return the names right below a section; none where it is no section."""
    prefix = f"{section}." if section else ""
    return list(dict.fromkeys(path.removeprefix(prefix).partition(".")[0] for path in TABLE if path.startswith(prefix)))


def _write(pet: CfgNode, path: str, value: Any) -> None:
    place = f"{PLACE}.{path}"
    try:
        values = TABLE[path].write(pet, value)
    except ValueError as error:
        raise ConfigError(f"{place}: {value!r} given, {error} expected") from error
    pet.merge_layers([Layer(source=place, entries=[Entry(key, item, "") for key, item in values.items()])])


def _unknown(path: str) -> UnknownKeyError:
    section, _, name = path.rpartition(".")
    siblings = _keys_of(section)
    near = [f"{section}.{key}" if section else key for key in nearest_names(name, siblings)]
    hint = f"; did you mean {' or '.join(near)}?" if near else did_you_mean(path, TABLE)
    known = f"; {section or 'here'} {'has' if section else 'are'} {', '.join(siblings)}." if siblings else "."
    return UnknownKeyError(
        f"{PLACE}.{path}: nothing reads this key{hint or known} All else has Pet's names, e.g. {PLACE}.pet.TRAIN.TRANSFORMS"
    )
