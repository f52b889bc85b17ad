"""What the tests do where they were started with signals ignored, as nohup and shells in the background do."""

import os
import subprocess
import sys
from pathlib import Path

TEST = "tests/petlib/launch/test_supervision.py::test_a_signal_reaches_the_ranks_which_save_and_end"


def test_what_tests_start_hears_signals_that_were_ignored() -> None:
    command = f'trap "" HUP INT; exec "$PYTHON" -m pytest -n 0 {TEST}'
    environment = {**os.environ, "PYTHON": sys.executable}
    root = Path(__file__).parent.parent
    done = subprocess.run(["sh", "-c", command], cwd=root, env=environment, capture_output=True, text=True, timeout=600)
    assert "3 passed" in done.stdout, done.stdout
