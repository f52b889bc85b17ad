"""How many files a reader opens from the command line of a training to one step."""

import json
import subprocess
import sys
from pathlib import Path

from tests.integration.conftest import DIGITS, ROOT, environment
from tests.integration.path_files import MOMENTS

MOST_FILES = 30
OPTIONS = [
    *("SOLVER.SCHEDULER.TOTAL_EPOCHS=0", "SOLVER.SCHEDULER.TOTAL_ITERS=1", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=0"),
    *("TRAIN.NUM_WORKERS=0", "MISC.TENSORBOARD=False", "ANALYSER.ENABLED=False", "TEST.DATASETS=[]"),
]


def files_on_the_way(folder: Path, script: str) -> dict[str, list[str]]:
    """Return the files that :mod:`tests.integration.path_files` finds, and the moments at which each is on the call stack."""
    words = [sys.executable, ROOT / "tests/integration/path_files.py", ROOT / "tools" / script, "--cfg", DIGITS, *OPTIONS]
    done = subprocess.run(
        [*words, f"MISC.CKPT={script}.run"], cwd=folder, env=environment(), capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_way_from_the_command_line_to_a_step_leads_through_few_files(tmp_path: Path) -> None:
    launcher = files_on_the_way(tmp_path, "train_net_all.py")
    process = files_on_the_way(tmp_path, "vision/train_net.py")
    moments = {name for found in (launcher, process) for names in found.values() for name in names}
    assert moments == set(MOMENTS.values()), "a moment is never seen, so the files on the way to it are not counted"
    assert {"tools/train_net_all.py", "tools/vision/train_net.py", "lib/petlib/engine/loop.py", "pet/vision/model.py"} <= {
        *launcher,
        *process,
    }
    files = sorted({*launcher, *process})
    assert len(files) <= MOST_FILES, "\n".join([f"{len(files)} files:", *files])
