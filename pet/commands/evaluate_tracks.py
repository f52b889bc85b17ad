"""Measures tracks: python tools/data/evaluate_tracks.py --truth FOLDER --results FOLDER [--benchmark MOT17].

HOTA, CLEAR and IDF1 of files of tracks, as the server of MOTChallenge computes them, and where identities break. The truth is a folder of
sequences with gt/gt.txt, the results are files <sequence>.txt, as tools/inference.py --track writes them.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from pet.evaluation.track_files import BENCHMARKS, SequenceResult, as_record, evaluate_track_files, total
from pet.metrics.tracking import TrackingSums
from pet.metrics.tracking_breaks import count_breaks
from petlib.addresses import local_path
from petlib.errors import DataError, name_in_errors
from petlib.files import not_a_folder, write_text_atomically
from petlib.launch.process.tool import run_plain_tool
from petlib.suggest import counted

SHARES = ("HOTA", "DetA", "AssA", "MOTA", "IDF1")
COUNTS = ("IDSW", "Frag", "MT", "PT", "ML", "TP", "FN", "FP")
OPTIONS = {
    "evaluate_track_files.truth": "--truth",
    "evaluate_track_files.results": "--results",
    "evaluate_track_files.benchmark": "--benchmark",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this tool."""
    parser.add_argument("--truth", type=Path, required=True, metavar="FOLDER", help="sequences with gt/gt.txt, or files <sequence>.txt")
    parser.add_argument("--results", type=Path, required=True, metavar="FOLDER", help="files <sequence>.txt")
    parser.add_argument(
        "--benchmark", default="", metavar="NAME", help=f"whose rules hold: {', '.join(BENCHMARKS)} (default: as the files say)"
    )
    parser.add_argument("--out", type=local_path, metavar="FILE", help="a JSON file with all figures and every break of an identity")


def evaluate(options: argparse.Namespace) -> int:
    """Measure the tracks, and print the figures."""
    with name_in_errors(OPTIONS):
        for folder in (options.truth, options.results):
            if not folder.is_dir():
                raise DataError(f"{folder}: {not_a_folder(folder)}")
        results = evaluate_track_files(options.truth, options.results, benchmark=options.benchmark)
    print("\n".join(describe(results)))
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(options.out, json.dumps(as_record(results), ensure_ascii=False))
        print(f"all figures are in {options.out}")
    return 0


def describe(results: dict[str, SequenceResult]) -> Iterator[str]:
    """Yield a table of all sequences, and what is known of breaks."""
    combined = total(list(results.values()))
    rows = [(name, label, sums) for name, result in results.items() for label, sums in result.sums.items()]
    rows += [("combined", label, sums) for label, sums in combined.items()]
    names = [name if len(combined) == 1 else f"{name} {label}" for name, label, _ in rows]
    width = max(map(len, names))
    yield f"{'':<{width}}" + "".join(f"{name:>8}" for name in (*SHARES, *COUNTS))
    for name, (_, _, sums) in zip(names, rows, strict=True):
        yield f"{name:<{width}}" + _numbers(sums)
    yield from describe_breaks(list(results.values()))


def describe_breaks(results: Sequence[SequenceResult]) -> Iterator[str]:
    """Yield what is known of all breaks of identities."""
    breaks = [own for result in results for part in result.breaks.values() for own in part]
    if not breaks:
        yield "no identity breaks"
        return
    for title, counts in count_breaks(breaks).items():
        shown = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
        yield f"{counted(len(breaks), 'break')} of identities by {'cause' if title == 'causes' else 'time without a match'}: {shown}"


def _numbers(sums: TrackingSums) -> str:
    figures = sums.figures()
    return "".join(f"{100 * figures[name]:>8.2f}" for name in SHARES) + "".join(f"{figures[name]:>8.0f}" for name in COUNTS)


def main() -> NoReturn:
    """Read the command line, measure, and exit."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    run_plain_tool(evaluate, description=(__doc__ or "").partition(":")[0], add_options=add_options)
