"""Writes a data set into shards: pet-pack DATA --out FOLDER|s3://BUCKET/NAME [--kinds boxes,masks].

DATA is a folder in a format that Pet recognises, a name of Pet's catalogue, or an entry of ``DATA.CATALOG``, '{type: voc, path: fruit}'.
The samples keep their numbers, their targets and the bytes of their images. Prints the entry that reads the result.
"""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from pet.autoconfig.recognise import recognise
from pet.data.catalog.entries import BUILTIN, CatalogEntry, parse_entry, read_entry
from pet.data.loading.build import DATASETS
from pet.data.loading.open_entry import open_catalog_entry
from pet.data.shards.writing import SHARD_BYTES, write_pack
from petlib.errors import ConfigError, DataError, note_if_interrupted
from petlib.launch.process.tool import run_plain_tool
from petlib.suggest import counted, did_you_mean


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("data", metavar="DATA", help="a folder, a name of the catalogue, or an entry '{type: ..., path: ...}'")
    parser.add_argument("--out", required=True, metavar="PLACE", help="an empty folder, or an address in a store, s3://bucket/name")
    parser.add_argument("--part", metavar="NAME", help="train, val or test, of a folder that has several")
    parser.add_argument("--kinds", metavar="NAMES", help="kinds of targets, e.g. boxes,semseg (default: those that the data give without)")
    parser.add_argument(
        "--shard_size", type=float, default=SHARD_BYTES / 10**6, metavar="MB", help="bytes of a shard, in 10^6 (default: %(default)g)"
    )
    parser.add_argument(
        "--data-root", type=Path, default=Path("data"), metavar="FOLDER", help="MISC.DATA_ROOT of the entry (default: data)"
    )


def pack(options: argparse.Namespace) -> int:
    """Write the shards, and print the entry that reads them.

    Raises:
        ConfigError: the size of a shard is none.
    """
    if not options.shard_size > 0:
        raise ConfigError(f"--shard_size: {options.shard_size:g} given, a number of 10^6 bytes above 0 expected")
    # slow, and only needed here
    from rich.progress import Progress

    entry, root = find_data(options.data, options.data_root, options.part)
    kinds = frozenset(name.strip() for name in options.kinds.split(",")) if options.kinds else None
    dataset = open_catalog_entry(entry, root, kinds=kinds)
    note = note_if_interrupted(f"{options.out} has a part of the shards: remove it, and the same command begins anew")
    with note, Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("packing", total=len(dataset))
        written = write_pack(
            dataset,
            options.out,
            source={"data": options.data, "type": entry.type},
            shard_bytes=int(options.shard_size * 10**6),
            progress=lambda: bar.advance(task),
        )
    print(f"{counted(written.samples, 'sample')} in {counted(written.shards, 'shard')}, {written.size / 10**6:,.1f} MB: {options.out}")
    name = options.out.rstrip("/").rpartition("/")[2]
    print(f"DATA:\n  CATALOG:\n    {name}: {{type: shards, path: {options.out}}}")
    return 0


def find_data(data: str, root: Path, part: str | None) -> tuple[CatalogEntry, Path]:
    """Return the entry that is meant, and the folder that its paths start from.

    Raises:
        ConfigError: it is no entry, no name and no folder, or a folder that has several parts.
        DataError: the format of the folder is not recognised.
    """
    if data.lstrip().startswith("{"):
        return _read(parse_entry(data, "an entry of DATA.CATALOG")), root
    if data in BUILTIN:
        return BUILTIN[data], root
    if not Path(data).is_dir():
        raise ConfigError(
            f"{data}: no folder, and no data set of the catalogue{did_you_mean(data, [*BUILTIN])}; give one of them, or an entry "
            "'{type: ..., path: ...}'"
        )
    place, found = recognise(Path(data))
    if part is None and len(found.entries) > 1:
        raise ConfigError(
            f"{data}: it has the parts {', '.join(found.entries)}; say which one is packed, e.g. --part {next(iter(found.entries))}"
        )
    if part is not None and part not in found.entries:
        raise DataError(f"{data}: it has no part {part} ({', '.join(found.entries)})")
    return _read(found.entries[part or next(iter(found.entries))]), place


def _read(given: dict[str, object]) -> CatalogEntry:
    DATASETS.get(str(given.get("type")))
    return read_entry("ENTRY", given)


def main() -> NoReturn:
    """Run the command."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    run_plain_tool(pack, description=(__doc__ or "").partition(":")[0], add_options=add_options)
