"""The writers of a run."""

from pathlib import Path

from petlib.config.typed import PetlibConfig
from petlib.distributed.process_group import is_main_process
from petlib.events.storage import Writer
from petlib.events.writers.console import ConsoleWriter
from petlib.events.writers.json_lines import JsonLinesWriter
from petlib.events.writers.tensorboard import TensorBoardWriter


def build_writers(cfg: PetlibConfig, *, start_iteration: int) -> list[Writer]:
    """Return the writers of this rank: console, JSON lines and TensorBoard (``MISC.TENSORBOARD``). Ranks other than 0 have none."""
    if not is_main_process():
        return []
    folder = Path(cfg.MISC.CKPT)
    writers: list[Writer] = [
        ConsoleWriter(name=cfg.MISC.NAME),
        JsonLinesWriter(path=folder / "metrics.jsonl", start_iteration=start_iteration),
    ]
    if cfg.MISC.TENSORBOARD:
        writers.append(TensorBoardWriter(folder=folder / "events", start_iteration=start_iteration))
    return writers
