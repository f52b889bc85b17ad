import json
from pathlib import Path
from typing import Any

from petlib.engine.hooks.profiler import ProfilerHook
from petlib.engine.loop import train


def test_a_trace_of_the_asked_iterations_is_written(make_state: Any, loader: Any, step: Any, tmp_path: Path) -> None:
    hook = ProfilerHook(folder=tmp_path / "profile", start_iter=2, num_iters=2)
    train(make_state(max_iter=6), loader, step, [hook])
    events = json.loads((tmp_path / "profile" / "trace_rank0.json").read_text())["traceEvents"]
    assert sum(event.get("name") == "Optimizer.step#SGD.step" for event in events) == 2


def test_a_run_that_is_too_short_still_gives_its_trace(make_state: Any, loader: Any, step: Any, tmp_path: Path) -> None:
    train(make_state(max_iter=3), loader, step, [ProfilerHook(folder=tmp_path, start_iter=2, num_iters=50)])
    assert (tmp_path / "trace_rank0.json").stat().st_size > 100
