"""Lists the configs that come with Pet: pet-configs [WORD].

Each line has the name that ``pet-train --cfg`` takes anywhere, its task, and what the file says of itself. Imports no torch.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import shorten
from typing import NamedTuple, NoReturn

from pet.task import PACKAGE
from petlib.config import read_layers
from petlib.config.layers import Layer
from petlib.errors import ConfigError
from petlib.launch.process.tool import run_plain_tool
from petlib.launch.start.resolve import CONFIG_FOLDER, find_config, repository_of
from petlib.suggest import did_you_mean

BASE = "base_"
"""Beginning of the names of files that others have in common, which are no run of their own."""
SHARED_TYPE = "vision"
HEAD = "MODEL.HAS_"
LINK = re.compile(r" \(https?://[^)]*\)|[,:] https?://[^\s)]*[^\s),:.]")
SCHEMA_LINE = "# yaml-language-server:"
"""Beginning of the line that names a file's schema for editors."""
LONGEST_LINE = 100
"""Characters of what a file says of itself."""


class ShippedConfig(NamedTuple):
    """A config that comes with Pet: what ``--cfg`` takes, its task in a word or two, and its first sentence."""

    name: str
    task: str
    line: str


def shipped_configs() -> Iterator[ShippedConfig]:
    """Yield the configs that come with Pet, sorted by name.

    Raises:
        ConfigError: this Pet has none: it was neither installed nor lies in a checkout.
    """
    repository = repository_of(PACKAGE)
    if repository is None:
        raise ConfigError(f"this {PACKAGE} has no folder {CONFIG_FOLDER}; install it, or call it in a checkout")
    folder = repository / CONFIG_FOLDER
    for file in sorted(folder.rglob("*.yaml")):
        if not file.name.startswith(BASE):
            name = file.relative_to(folder)
            layers = read_layers(file)
            # a file that is nothing but its base, such as a preset, has its description there
            described = next(layer.source for layer in reversed(layers) if layer.entries)
            yield ShippedConfig(name.as_posix(), _task(layers, name.parts), _first_sentence(Path(described)))


def _task(layers: Sequence[Layer], parts: Sequence[str]) -> str:
    """Return the task of a config: of the general CNN its heads, else the name of its folder."""
    if parts[0] != SHARED_TYPE:
        return parts[1]
    switches = {entry.key: entry.value for layer in layers for entry in layer.entries if entry.key.startswith(HEAD)}
    return ", ".join(key.removeprefix(HEAD).lower() for key, value in switches.items() if value)


def _first_sentence(file: Path) -> str:
    """Return the first sentence of the comment at the top of a file."""
    words: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if line.startswith(SCHEMA_LINE):
            continue
        words += line.removeprefix("#").split()
    text = LINK.sub("", " ".join(words)).partition(". ")[0].removesuffix(".")
    return shorten(text, LONGEST_LINE, placeholder=" ...")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("word", nargs="?", default="", metavar="WORD", help="list those with this word in name, task or description")


def list_configs(options: argparse.Namespace) -> int:
    """Print a line for each config.

    Raises:
        ConfigError: none has the word.
    """
    configs = list(shipped_configs())
    found = [config for config in configs if options.word.lower() in " ".join(config).lower()]
    if not found:
        words = {word for config in configs for word in (config.name, Path(config.name).stem, *Path(config.name).parts[:-1])}
        guess = did_you_mean(options.word, sorted(words))
        raise ConfigError(f"no config has {options.word!r} in its name, task or description{guess}; pet-configs lists all")
    widths = [max(len(config[column]) for config in found) for column in (0, 1)]
    for config in found:
        print(f"{config.name:{widths[0]}}  {config.task:{widths[1]}}  {config.line}".rstrip())
    print(f"train one: pet-train --cfg {found[0].name}    its file: {find_config(Path(found[0].name), PACKAGE)}")
    return 0


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Read the command line (that of the process by default), list the configs, and exit."""
    run_plain_tool(list_configs, description=(__doc__ or "").partition(":")[0], add_options=add_options, argv=argv)
