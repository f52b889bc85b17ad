"""The smallest config of a task by the real scripts on the GPU: trained, tested, resumed, looked through images; against the CPU.

What is compared: the losses of the first iteration on GPU and CPU, which begin with the same weights and the same batch; the metrics of
the trained weights on both; the last loss of a run that was resumed in its middle with that of the run without a stop.
"""

import json
import math
import os
import runpy
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from report import Report, part_options
from task_table import DRY, FLOAT32, TASKS

ROOT = Path(__file__).resolve().parents[2]


def run_script(script: str, words: Sequence[str], log: Path) -> int:
    """Run a script below tools/ as the main program of a fork of this process, which has its libraries; return its exit code."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        path = ROOT / "tools" / script
        sys.argv = [str(path), *words]
        sys.path[0] = str(path.parent)
        runpy.run_path(str(path), run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 -- this process ends here, whatever it was
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Trial:
    """One task in a folder of its own."""

    def __init__(self, name: str, folder: Path, report: Report, *, dry: bool) -> None:
        self.task = TASKS[name]
        self.folder = folder
        self.report = report
        self.iterations = 4 if dry else 40
        self.device = "cpu" if dry else "cuda"
        data = self.task.data(folder / "data", 24 if dry else 64)
        self.common = [
            *("--cfg", str(ROOT / "cfgs" / self.task.config), *data, "TRAIN.WEIGHTS=''", "MISC.TF32=False", "ANALYSER.ENABLED=False"),
            *("SOLVER.SCHEDULER.TOTAL_EPOCHS=0", f"SOLVER.SCHEDULER.TOTAL_ITERS={self.iterations}", "MISC.DISPLAY_ITER=1"),
            *("SOLVER.SCHEDULER.WARM_UP_ITERS=0", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=0", f"SOLVER.SNAPSHOT_ITER={self.iterations // 2}"),
            *("SOLVER.SNAPSHOT_EPOCH=0", "SOLVER.SNAPSHOT_KEEP=0", f"EVAL.PERIOD_ITER={self.iterations}", "EVAL.PERIOD_EPOCH=0"),
            *(*self.task.settings, *(DRY.get(name, ()) if dry else ())),
        ]
        if self.task.scripts == "tasks/cls":
            self.common.append("MODEL.NUM_CLASSES=2")

    def run(self, what: str, script: str, *words: str) -> bool:
        """Run a script, write a row, and return whether it succeeded. What only a GPU can do is left out on a CPU."""
        common = without(self.common, "SOLVER.AMP.", "MISC.COMPILE") + [FLOAT32] if "MISC.DEVICE=cpu" in words else self.common
        if "TEST.DATASETS=[]" in words:
            common = without(common, "TEST.PRECISE_BN.")
        log = self.folder / f"{what.replace(' ', '_')}.log"
        begin = time.perf_counter()
        code = run_script(script, [*common, *words], log)
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if code else []
        self.report.add(what, time.perf_counter() - begin, "s", passed=code == 0, note="\n".join(lines[-25:]))
        return code == 0

    def train(self, what: str, out: str, device: str, *more: str) -> bool:
        """Train into the folder ``out``."""
        script = "train_net_all.py" if self.task.launcher else f"{self.task.scripts}/train_net.py"
        return self.run(what, script, f"MISC.CKPT={self.folder / out}", f"MISC.DEVICE={device}", *more)

    def test(self, what: str, out: str, device: str, *more: str) -> dict[str, float]:
        """Test the weights of the folder ``trained`` and return the metrics."""
        weights = f"TEST.WEIGHTS={self.folder}/trained/model_latest.pth"
        script = "test_net.py"
        if not self.run(what, script, f"MISC.CKPT={self.folder / out}", f"MISC.DEVICE={device}", weights, *more):
            return {}
        return json.loads((self.folder / out / "test" / "metrics.json").read_text())  # type: ignore[no-any-return]

    def losses(self, out: str) -> dict[int, float]:
        """Return the sum of the losses by iteration."""
        lines = [json.loads(line) for line in (self.folder / out / "metrics.jsonl").read_text().splitlines()]
        return {line["iteration"]: total_loss(line) for line in lines if not math.isnan(total_loss(line))}

    def compare(self, what: str, found: float, expected: float, limit: float) -> None:
        """Write by which share of the expected value the other differs."""
        difference = abs(found - expected) / max(abs(expected), 1e-6)
        self.report.add(what, difference, passed=difference <= limit, note=f"{found:.6g} and {expected:.6g}; at most {limit:g}")


def without(words: Sequence[str], *beginnings: str) -> list[str]:
    """Return the words that do not begin so: a setting that a run does not use is refused."""
    return [word for word in words if not word.startswith(beginnings)]


def total_loss(line: dict[str, Any]) -> float:
    """Return the sum of the losses that a line of metrics.jsonl has; NaN: it has none."""
    single = [value for name, value in line.items() if name.startswith("loss")]
    return float(line.get("total_loss", single[0] if single else math.nan))


def compare_metrics(trial: Trial, found: dict[str, float], expected: dict[str, float]) -> None:
    """Write the greatest difference of the metrics; those that are undefined are so on both."""
    names, others = ({name for name, value in metrics.items() if isinstance(value, float)} for metrics in (found, expected))
    if not names or names != others:
        trial.report.add("metrics, GPU and CPU", "none", passed=False, note=f"{sorted(names)} and {sorted(others)}")
        return
    differences = {name: abs(found[name] - expected[name]) for name in names}
    name = max(differences, key=lambda one: differences[one])
    note = f"{name}: {found[name]:.4f} and {expected[name]:.4f}; at most {trial.task.metric:g}"
    trial.report.add("metrics, GPU and CPU", differences[name], passed=differences[name] <= trial.task.metric, note=note)


def try_task(trial: Trial) -> None:
    """Train, test, resume, predict, and compare with the CPU."""
    last = trial.iterations
    if not trial.train("train", "trained", trial.device):
        return
    found = trial.test("test", "tested", trial.device)

    resumed = trial.folder / "resumed"
    resumed.mkdir()
    shutil.copy(trial.folder / "trained" / f"model_iter{last // 2}.pth", resumed)
    os.link(resumed / f"model_iter{last // 2}.pth", resumed / "model_latest.pth")
    if trial.train("resume", "resumed", trial.device):
        limit = 0.0 if "MISC.DETERMINISTIC=True" in trial.common or trial.device == "cpu" else 0.25
        trial.compare("last loss, resumed and not", trial.losses("resumed")[last], trial.losses("trained")[last], limit)

    if trial.task.images:
        weights = str(trial.folder / "trained" / "model_latest.pth")
        words = ["--images", str(trial.folder / "data" / trial.task.images), "--out", str(trial.folder / "drawn"), "--weights", weights]
        trial.run("predict", "inference.py", *words, f"MISC.CKPT={trial.folder}/predicted", f"MISC.DEVICE={trial.device}")

    compare_metrics(trial, found, trial.test("test on the CPU", "tested_cpu", "cpu"))
    short = ["SOLVER.SCHEDULER.TOTAL_ITERS=1", "SOLVER.SNAPSHOT_ITER=0", "TEST.DATASETS=[]"]
    if trial.train("first iteration on the CPU", "first_cpu", "cpu", *short):
        trial.compare("first loss, GPU and CPU", trial.losses("trained")[1], trial.losses("first_cpu")[1], trial.task.loss)


def main() -> None:
    """Try one task."""
    parser = part_options(__doc__)
    parser.add_argument("task", choices=TASKS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try_task(Trial(arguments.task, Path(folder), Report(arguments.rows), dry=arguments.dry))


if __name__ == "__main__":
    main()
