import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """\
import os
import sys
from pathlib import Path
from pet.compat.trainframework.schedule.scheduler import is_rank, start_ranks
from petlib.errors import ConfigError
from petlib.launch import run_process
from petlib.launch.start.devices import Devices

def main(process):
    process.log_to(Path("out"), purpose="train")
    open(f"rank{os.environ['RANK']}_of_{os.environ['WORLD_SIZE']}", "w").close()
    if sys.argv[1] == "mistake" and os.environ["RANK"] == "1":
        raise ConfigError("solver.max_iter: wrong")
    if sys.argv[1] == "fault" and os.environ["RANK"] == "1":
        raise RuntimeError("broken")

sys.exit(run_process(main) if is_rank() else start_ranks(Devices(2)))
"""


@pytest.mark.parametrize(
    ("argument", "code", "message"),
    [("fine", 0, ""), ("mistake", 2, "solver.max_iter: wrong"), ("fault", 1, "RuntimeError: broken")],
)
def test_a_script_starts_itself_once_for_each_device(tmp_path: Path, argument: str, code: int, message: str) -> None:
    (tmp_path / "train.py").write_text(SCRIPT, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[5]), os.environ.get("PYTHONPATH", "")]))}
    done = subprocess.run(
        [sys.executable, "train.py", argument], cwd=tmp_path, env=environment | paths, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == code, done.stderr
    if argument == "fine":
        assert sorted(path.name for path in tmp_path.glob("rank*")) == ["rank0_of_2", "rank1_of_2"]
        assert sorted(path.name for path in tmp_path.glob("out/logs/*")) == ["train_rank0.log", "train_rank1.log"]
    assert message in done.stderr
    assert ("Traceback" in done.stderr) == (argument == "fault")
