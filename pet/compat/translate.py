"""Prints what Pet understands of a config that was written for TrainFramework or antgo.

    python -m pet.compat.translate x.py --to yaml model.backbone.in_channels=4

The dialect is found by the keys at the top of the config, or named with ``--dialect``. Nothing is built or trained, and no torch is
imported. Exit codes: 0, and 2 after a mistake, which one message reports.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from pet.compat.antgo.translation import translate as translate_antgo
from pet.compat.shared.translation import Translated
from pet.compat.trainframework.translation import translate as translate_trainframework
from petlib.config.nested import NestedConfig, read_nested
from petlib.errors import ConfigError
from petlib.launch.process.tool import run_plain_tool


@dataclass(frozen=True)
class Dialect:
    """A way to write configs.

    Args:
        title: whose configs they are.
        keys: the keys at the top of every such config.
        ignore_case: whether keys may be written in any case of letters.
        is_open: whether a user's own code reads further keys, so that only a run knows which ones are not read.
        translate: what reads it.
    """

    title: str
    keys: tuple[str, ...]
    ignore_case: bool
    is_open: bool
    translate: Callable[[NestedConfig], Translated]


DIALECTS = {
    "trainframework": Dialect("TrainFramework", ("solver", "trainer"), ignore_case=True, is_open=True, translate=translate_trainframework),
    "antgo": Dialect("antgo", ("data", "model"), ignore_case=False, is_open=False, translate=translate_antgo),
}


UNREAD = "# unread: Pet leaves these keys to your own code; a run refuses those that it does not read either\n"


def find_dialect(config: NestedConfig) -> str:
    """Return the dialect that a config is written in.

    Raises:
        ConfigError: its keys are those of no dialect, or of several.
    """
    names = [str(name) for name in config.to_dict()]
    lower = {name.lower() for name in names}
    found = [name for name, dialect in DIALECTS.items() if lower.issuperset(dialect.keys)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{' and '.join(dialect.keys)} are those of {name}" for name, dialect in DIALECTS.items())
    which = "more than one dialect" if found else "no dialect"
    given = f"the keys at its top are those of {which}: {', '.join(names) or 'there are none'}"
    raise ConfigError(f"{config.path}: {given}; {known}. Name it: --dialect {' or '.join(DIALECTS)}")


def as_yaml(config: NestedConfig, dialect: str) -> str:
    """Return the settings, components and notes of a config as YAML.

    Its keys are ``dialect``; ``settings``, as a config of Pet has them; ``components``, each with name, arguments and place; ``notes``;
    and, where a user's own code reads keys too, ``unread``, a line for each key that is left to it.

    Raises:
        ConfigError: the config is wrong, or has keys that are not read.
    """
    translated = DIALECTS[dialect].translate(config)
    if not DIALECTS[dialect].is_open:
        config.require_all_read()
    document: dict[str, Any] = {
        "dialect": dialect,
        "settings": _nested(translated.settings),
        "components": {key: component._asdict() for key, component in translated.components.items()},
        "notes": translated.notes,
        **({"unread": config.unread()} if DIALECTS[dialect].is_open else {}),
    }
    title = f"# {config.path}, a config of {DIALECTS[dialect].title}, as Pet understands it\n"
    title += UNREAD if document.get("unread") else ""
    text: str = yaml.dump(_plain(document), Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=True, width=120)
    return title + text


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in settings.items():
        *sections, name = key.split(".")
        section = tree
        for part in sections:
            section = section.setdefault(part, {})
        section[name] = value
    return tree


def _plain(value: Any) -> Any:
    """Return a value in containers of its own, so that YAML writes it out and does not refer to an equal one above."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | None) else repr(value)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="config file: .py (as data, it is not executed), .yaml or .yml")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="values that replace those of the file, e.g. solver.max_iter=100")
    parser.add_argument("--dialect", choices=DIALECTS, help="who the config was written for (default: found by its keys)")
    parser.add_argument("--to", choices=["yaml"], default="yaml", help="what to print (default: yaml)")


def _print(options: argparse.Namespace) -> int:
    dialect = options.dialect or find_dialect(read_nested(options.config, options.overrides))
    config = read_nested(options.config, options.overrides, ignore_case=DIALECTS[dialect].ignore_case)
    print(as_yaml(config, dialect), end="")
    return 0


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Read the command line (that of the process by default), print, and exit."""
    run_plain_tool(_print, description=(__doc__ or "").partition("\n")[0], add_options=_add_options, argv=argv)


if __name__ == "__main__":
    main()
