"""How many files a reader opens from the command line of a training to one step."""

import json
from pathlib import Path

from tests.integration.conftest import DIGITS, ROOT, Done, environment
from tests.integration.path_files import MOMENTS
from tests.integration.warm_python import warm_python

MOST_FILES = 30
OPTIONS = [
    *("SOLVER.SCHEDULER.TOTAL_EPOCHS=0", "SOLVER.SCHEDULER.TOTAL_ITERS=1", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=0"),
    *("TRAIN.NUM_WORKERS=0", "MISC.TENSORBOARD=False", "ANALYSER.ENABLED=False", "TEST.DATASETS=[]"),
]


def files_on_the_way(folder: Path, script: str) -> dict[str, list[str]]:
    """Return the files that :mod:`tests.integration.path_files` finds, and the moments at which each is on the call stack."""
    words = [ROOT / "tests/integration/path_files.py", ROOT / "tools" / script, "--cfg", DIGITS, *OPTIONS, f"MISC.CKPT={script}.run"]
    done = Done(*warm_python().run(words, folder=folder, environment=environment(), timeout=180)).succeeded()
    found: dict[str, list[str]] = json.loads(done.results[-1])
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
