"""Lists published weights and downloads them: pet-models [WORD], pet-models download NAME [--accept LICENCE].

Each entry has the name that ``pet-train --data FOLDER --model`` takes, its task, figures as published, size and licence.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import NoReturn

from pet.models.zoo.licences import is_free, require_accepted
from pet.models.zoo.sources import HUGGINGFACE, PublishedWeights, repository_weights, timm_weights, torchvision_weights
from pet.models.zoo.table import PublishedModel, published_models
from petlib.errors import ConfigError, name_in_errors, note_if_interrupted
from petlib.launch.process.tool import run_plain_tool
from petlib.suggest import did_you_mean

DOWNLOAD = "download"
COLUMNS = ("name", "task", "figures as published", "size", "licence")
TORCHVISION, TIMM = "torchvision/", "timm/"


def weights_of(model: PublishedModel) -> PublishedWeights:
    """Return the files of an entry of the table.

    Raises:
        ConfigError: Pet knows none.
    """
    if not model.weights:
        raise ConfigError(f"{model.name}: Pet has no network for these weights ({model.licence}); they are at {model.source}")
    if model.weights.startswith(HUGGINGFACE):
        return repository_weights(model.weights.removeprefix(HUGGINGFACE))
    if model.weights.startswith(TORCHVISION):
        return torchvision_weights(model.weights.removeprefix(TORCHVISION))
    return timm_weights(model.name.removeprefix(TIMM))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("word", nargs="?", default="", metavar="WORD", help="list those with this word in any column; or: download")
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="after download: of the list")
    parser.add_argument("--accept", default="", metavar="LICENCE", help="a licence that you have read and accept")


def list_or_download(options: argparse.Namespace) -> int:
    """Print a line for each entry, or fetch the files of one.

    Raises:
        ConfigError: no entry has the word or the name.
    """
    if options.word == DOWNLOAD:
        return _download(options.name, options.accept)
    if options.name or options.accept:
        raise ConfigError(f"pet-models {options.word} {options.name or '--accept'}: a word, or  download NAME [--accept LICENCE]  expected")
    found = [model for model in published_models().values() if options.word.lower() in " ".join(_row(model)).lower()]
    if not found:
        raise ConfigError(
            f"no entry has {options.word!r} in it{did_you_mean(options.word, [*published_models(), DOWNLOAD])}; pet-models lists all"
        )
    for line in _lines(found):
        print(line)
    return 0


def _lines(found: Sequence[PublishedModel]) -> Iterator[str]:
    """Yield the table, and of a single entry where it comes from too."""
    rows = [COLUMNS, *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if len(found) > 1:
        yield "* not free for every product: it asks for a yes. Where one comes from, and its checksum: pet-models NAME"
        return
    (model,) = found
    yield f"figures and licence: {model.source}"
    yield f"TRAIN.WEIGHTS: {model.weights or 'none, Pet has no network for them'}"
    known = ", ".join(f"{file} {digest}" for file, digest in model.sha256.items())
    yield f"sha256: {known or 'unknown here; that of the server is compared, where it has one'}"
    if model.config:
        yield f"config: {model.config}"


def _row(model: PublishedModel) -> tuple[str, ...]:
    size = f"{model.parameters:g} M, about {model.megabytes} MB" if model.parameters else "unknown"
    return model.name, model.task, model.shown_figures or "unknown", size, model.licence + ("" if is_free(model.licence) else " *")


def _download(name: str, accepted: str) -> int:
    if not name:
        raise ConfigError("pet-models download NAME: which entry? pet-models lists all")
    model = published_models().get(name)
    if model is None:
        raise ConfigError(
            f"pet-models download {name}: there is no such entry{did_you_mean(name, list(published_models()))}; see pet-models"
        )
    weights = weights_of(model)
    with name_in_errors({"require_accepted.accepted": "--accept"}):
        require_accepted(model.name, weights.licence, [accepted], page=weights.page)
    with note_if_interrupted("what has come stays where the server can continue a file, and the same command goes on"):
        for path in weights.fetch():
            print(path)
    print(f"{model.name}: licensed under {weights.licence}")
    return 0


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Read the command line (that of the process by default), list or download, and exit."""
    run_plain_tool(list_or_download, description=(__doc__ or "").partition(":")[0], add_options=add_options, argv=argv)
