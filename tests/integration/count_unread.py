"""Run every command of some tasks in one process, with several configs, and print the settings that none of them has read, as JSON.

The only argument is JSON: a list of runs, each with ``type`` (``"vision"``), ``config`` (below ``cfgs``), ``overrides``, ``exported``, and
``images``, the folders to predict, of pairs two.
"""

import importlib
import json
import runpy
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pet.commands import browse, check, export_net, inference, test_net
from petlib.config import load_cfg
from petlib.config.usage import unused_settings
from petlib.launch.start.arguments import ScriptArguments

ROOT = Path(__file__).parents[2]
READ_ELSEWHERE = {
    *("MISC.STORAGE_TIMEOUT", "DATA.SHARDS.LANES"),
    *("EXPORT.CALIBRATION", "EXPORT.FLOAT_LAYERS", "EXPORT.MAX_DROP"),
}
"""Settings of runs with a store, with shards in it, and of exports in int8, which their own tests have."""


def count(runs: list[dict[str, Any]]) -> list[str]:
    """Return the settings that no command has read in any of the runs."""
    known: set[str] = set()
    read: set[str] = set()
    for number, run in enumerate(runs):
        settings = importlib.import_module(f"pet.{run['type'].replace('/', '.')}.config")
        known |= set(settings.get_base_cfg().flat())
        read |= read_in(run, settings, f"run{number}")
        print(f"{len(known - read)} settings are unread after {run['config']}", file=sys.stderr)
    return sorted(known - read)


def those_that_count(settings: Any, path: Path, overrides: list[str]) -> list[str]:
    """Return the overrides without those that this config would refuse because their part is off."""
    cfg = settings.get_base_cfg()
    cfg.merge_from_file(path)
    cfg.merge_from_list(overrides)
    vain = {setting.key for setting in unused_settings(cfg)}
    return [override for override in overrides if override.partition("=")[0] not in vain]


def read_in(run: dict[str, Any], settings: Any, name: str) -> set[str]:
    """Return the settings that the commands have read in one run."""
    path, read = ROOT / "cfgs" / run["config"], set()
    overrides = those_that_count(settings, path, [*run["overrides"], f"MISC.CKPT={name}"])
    common = {"cfg": str(path), "type": None, "weights": "", "out": None}

    def record(command: Callable[..., Any], **options: Any) -> None:
        cfg = load_cfg(settings, path, overrides)
        command(cfg, Namespace(**{**common, **options})) if options else command(cfg)
        read.update(cfg.read_keys())

    images = [*run["images"], ""][:2]
    record(runpy.run_path(str(ROOT / "tools" / run["type"] / "train_net.py"))["train"])
    record(lambda cfg: test_net.test(cfg, ScriptArguments(path)))
    if run["exported"]:
        record(export_net.export_model, purpose="export")
    record(inference.infer, images=images[0], images2=images[1], window=0, polygons=False, track=None, out=Path(f"{name}_seen"))
    record(check.check, split="both")
    record(browse.browse, split="train", count=1, views=1)
    return read


if __name__ == "__main__":
    print(json.dumps(count(json.loads(sys.argv[1]))))
