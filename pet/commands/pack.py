"""Writes a data set into shards: pet-pack DATA --out FOLDER|s3://BUCKET/NAME [--kinds boxes,masks].

DATA is a folder in a format that Pet recognises, a name of Pet's catalogue, or an entry of ``DATA.CATALOG``, '{type: voc, path: fruit}'.
The samples keep their numbers, their targets and the bytes of their images. Prints the entry that reads the result.
"""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from pet import autoconfig, data
from pet.data.catalog.entries import BUILTIN, CatalogEntry, parse_entry, read_entry
from pet.data.shards.place import SHARD_BYTES, check_place
from petlib.errors import ConfigError, DataError, name_in_errors, note_if_interrupted
from petlib.launch.process.tool import run_plain_tool
from petlib.object_store import ObjectStore
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
        ConfigError: an option is wrong.
        DataError: the data set cannot be read, or has no such targets.
        OutputError: there are files at the place already, or it cannot be written.
        StoreError: the store does not answer.
    """
    if not options.shard_size > 0:
        raise ConfigError(f"--shard_size: {options.shard_size:g} given, a number of 10^6 bytes above 0 expected")
    # slow, and only needed here
    from rich.progress import Progress

    store = ObjectStore()
    with name_in_errors({"write_pack.place": "--out"}):
        check_place(options.out, store)
    kinds = read_kinds(options.kinds)
    entry, root = find_data(options.data, options.data_root, options.part)
    dataset = data.open_catalog_entry(entry, root, kinds=kinds)
    if lacking := sorted((kinds or frozenset()) - dataset.info.kinds):
        has = ", ".join(sorted(dataset.info.kinds)) or "no targets"
        raise DataError(f"--kinds {options.kinds}: {options.data} has no {' and no '.join(lacking)}; it has {has}")
    note = note_if_interrupted(f"{options.out} has a part of the shards: remove it, and the same command begins anew")
    names = name_in_errors({"write_pack.place": "--out"})
    with note, names, Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("packing", total=len(dataset))
        written = data.write_pack(
            dataset,
            options.out,
            source={"data": options.data, "type": entry.type},
            shard_bytes=int(options.shard_size * 10**6),
            store=store,
            progress=lambda: bar.advance(task),
        )
    print(f"{counted(written.samples, 'sample')} in {counted(written.shards, 'shard')}, {written.size / 10**6:,.1f} MB: {options.out}")
    name = options.out.rstrip("/").rpartition("/")[2]
    print(f"DATA:\n  CATALOG:\n    {name}: {{type: shards, path: {options.out}}}")
    return 0


def read_kinds(text: str | None) -> frozenset[str] | None:
    """Return the kinds of targets that ``--kinds`` names; None: it is not given.

    Raises:
        ConfigError: there is no such kind.
    """
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    known = data.target_kinds()
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise ConfigError(f"--kinds {text}: unknown kind {unknown!r}{did_you_mean(unknown, known)}; one of {', '.join(known)} expected")
    return frozenset(names)


def find_data(given: str, root: Path, part: str | None) -> tuple[CatalogEntry, Path]:
    """Return the entry that is meant, and the folder that its paths start from.

    Raises:
        ConfigError: it is no entry, no name and no folder, a folder that has several parts, or ``part`` of something without parts.
        DataError: the format of the folder is not recognised.
    """
    if part is not None and (given.lstrip().startswith("{") or given in BUILTIN):
        raise ConfigError(f"--part {part}: {given} has no parts, as a folder has; leave --part out")
    if given.lstrip().startswith("{"):
        return _read(parse_entry(given, "an entry of DATA.CATALOG")), root
    if given in BUILTIN:
        return BUILTIN[given], root
    if not Path(given).is_dir():
        raise ConfigError(
            f"{given}: no folder, and no data set of the catalogue{did_you_mean(given, [*BUILTIN])}; give one of them, or an entry "
            "'{type: ..., path: ...}'"
        )
    place, found = autoconfig.recognise.recognise(Path(given))
    if part is None and len(found.entries) > 1:
        raise ConfigError(
            f"{given}: it has the parts {', '.join(found.entries)}; say which one is packed, e.g. --part {next(iter(found.entries))}"
        )
    if part is not None and part not in found.entries:
        raise DataError(f"--part {part}: {given} has no part {part} ({', '.join(found.entries)})")
    return _read(found.entries[part or next(iter(found.entries))]), place


def _read(given: dict[str, object]) -> CatalogEntry:
    data.DATASETS.get(str(given.get("type")))
    return read_entry("ENTRY", given)


def main() -> NoReturn:
    """Run the command."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    run_plain_tool(pack, description=(__doc__ or "").partition(":")[0], add_options=add_options)
