"""The writers of a run."""

import sys
from pathlib import Path

from petlib.config.node import CfgNode
from petlib.dist.process_group import is_main_process
from petlib.events.records import Writer
from petlib.events.writers.console import ConsoleWriter
from petlib.events.writers.json_lines import JsonLinesWriter
from petlib.events.writers.progress import ProgressWriter
from petlib.events.writers.tensorboard import TensorBoardWriter


def build_writers(cfg: CfgNode, *, max_iter: int, start_iteration: int) -> list[Writer]:
    """Return the writers of this rank: console, JSON lines, TensorBoard (``MISC.TENSORBOARD``) and, on a terminal, a
    progress line. Ranks other than 0 have none.
    """
    if not is_main_process():
        return []
    folder = Path(cfg.MISC.CKPT)
    writers: list[Writer] = [
        ConsoleWriter(name=cfg.MISC.NAME),
        JsonLinesWriter(path=folder / "metrics.jsonl", start_iteration=start_iteration),
    ]
    if cfg.MISC.TENSORBOARD:
        writers.append(TensorBoardWriter(folder=folder / "events", start_iteration=start_iteration))
    if sys.stdout is not None and sys.stdout.isatty():
        writers.append(ProgressWriter(max_iter=max_iter, start_iteration=start_iteration))
    return writers
