"""Runs a script of tools/ with a GPU that is not there: run_script.py SCRIPT [its options]."""

import runpy
import sys
from pathlib import Path

from tests.pretended_gpu.pretended import pretended_gpu

if __name__ == "__main__":
    del sys.argv[0]
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    with pretended_gpu():
        runpy.run_path(sys.argv[0], run_name="__main__")
