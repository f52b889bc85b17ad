"""Several command lines in one process, so that the libraries are loaded once; each ends as it would in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.integration.conftest import ROOT, Done, environment

MARK = "---- exit code "
CODE = f"""
import json, runpy, sys, traceback

for script, options in json.load(sys.stdin):
    sys.argv = [script, *options]
    code = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as error:
        code = error.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    print("\\n{MARK}" + str(code), flush=True)
"""


def run_many(runs: Sequence[tuple[str, Sequence[str | Path]]], folder: Path, timeout: float = 300) -> list[Done]:
    """Run scripts below ``tools``, given with their options, one after another in ``folder``; without launcher, on one rank."""
    words = [(str(ROOT / "tools" / script), [*map(str, options)]) for script, options in runs]
    done = subprocess.run(
        [sys.executable, "-u", "-c", CODE],
        cwd=folder,
        env=environment(),
        input=json.dumps(words),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout
    results, output = [], ""
    for line in done.stdout.splitlines(keepends=True):
        if line.startswith(MARK):
            results.append(Done(int(line.removeprefix(MARK)), output))
            output = ""
        else:
            output += line
    assert len(results) == len(runs), done.stdout
    return results
