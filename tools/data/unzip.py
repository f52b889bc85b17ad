"""Unpacks archives: python tools/data/unzip.py SOURCE --out FOLDER.

SOURCE is a .zip, .tar, .tar.gz or .tgz file, or a folder of them. All of it is unpacked or nothing.
"""

import argparse
import codecs
import sys
from collections.abc import Callable
from pathlib import Path

from pet.data.archives.archives import MOST_MEMBERS, find_archives
from pet.data.archives.unpacking import Limits, unpack
from petlib.addresses import local_path
from petlib.errors import ConfigError
from petlib.launch.process.tool import run_plain_tool

GIGABYTE = 10**9


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="an archive, or a folder of archives")
    parser.add_argument("--out", type=local_path, required=True, metavar="FOLDER", help="where the files go")
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
    parser.add_argument("--max-size", type=float, default=200.0, metavar="GB", help="greatest size of all files (default: 200)")
    parser.add_argument(
        "--max-ratio",
        type=float,
        default=200.0,
        metavar="N",
        help="greatest size of an archive's files, as a multiple of its own (default: 200)",
    )
    parser.add_argument("--max-files", type=int, default=MOST_MEMBERS, metavar="N", help="most members of an archive (default: 1,000,000)")
    parser.add_argument(
        "--encoding", metavar="NAME", help="of names in zip archives that do not say it, e.g. gbk (default: UTF-8 or cp437)"
    )


def unzip(options: argparse.Namespace) -> int:
    """Unpack and say what was done."""
    # slow, and only needed here
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    if not options.max_size > 0 or not options.max_ratio > 0 or not options.max_files > 0:
        given = f"--max-size {options.max_size:g} --max-ratio {options.max_ratio:g} --max-files {options.max_files}"
        raise ConfigError(f"{given}: numbers above 0 expected")
    check_encoding(options.encoding)
    archives = find_archives(options.source)
    with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(), transient=True) as bar:

        def start(name: str, size: int) -> Callable[[int], None]:
            task = bar.add_task(name, total=size)
            return lambda count: bar.advance(task, count)

        limits = Limits(total_bytes=int(options.max_size * GIGABYTE), ratio=options.max_ratio, files=options.max_files)
        done = unpack(archives, options.out, limits=limits, force=options.force, encoding=options.encoding, start=start)
    print(f"unpacked {done.files} files, {done.size / 1e6:.1f} MB, from {len(archives)} archives into {options.out}")
    return 0


def check_encoding(name: str | None) -> None:
    """Check that Python knows an encoding.

    Raises:
        ConfigError: it does not.
    """
    try:
        codecs.lookup(name or "utf-8")
    except LookupError:
        raise ConfigError(f"--encoding {name}: unknown; a name like gbk, shift_jis or cp1251 expected") from None


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    run_plain_tool(unzip, description=(__doc__ or "").partition(":")[0], add_options=add_options)
