"""The limit of the time that an export takes, and what it says meanwhile."""

import contextlib
import logging
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pet.exporting import export_onnx
from pet.exporting.export import export_model
from pet.exporting.limit import time_limit
from petlib.config import ConfigError


class Endless(nn.Module):
    """Does not come to an end while it is traced, and catches what it can."""

    def forward(self, images: Tensor) -> Tensor:
        while torch.compiler.is_exporting():
            with contextlib.suppress(Exception):
                time.sleep(0.01)
        return images


@pytest.mark.parametrize(("dynamic", "advice"), [(True, "export a fixed size, or allow more time"), (False, "Allow more time")])
def test_an_export_that_does_not_return_is_ended(tmp_path: Path, dynamic: bool, advice: str) -> None:
    handler = signal.getsignal(signal.SIGALRM)
    inputs = {"images": torch.rand(1, 3, 8, 8)}
    with pytest.raises(ConfigError, match=f"export_model.time_limit: .* longer than 0.5 s .*nothing was written.*{advice}"):
        export_model(Endless(), inputs, tmp_path / "m.onnx", output_names=["o"], dynamic=dynamic, tolerance=1e-4, time_limit=0.5)
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGALRM) == handler


def test_a_timer_that_ran_before_goes_on() -> None:
    rang = threading.Event()
    handler = signal.signal(signal.SIGALRM, lambda *_: rang.set())
    left, interval = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with time_limit(60, advice=""):
            assert signal.getitimer(signal.ITIMER_REAL)[0] > 50
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 0.3
        assert rang.wait(60)
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, interval)
        signal.signal(signal.SIGALRM, handler)


def test_another_thread_has_no_limit() -> None:
    done = threading.Event()

    def work() -> None:
        with time_limit(0.001, advice=""):
            time.sleep(0.05)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert done.is_set()


def test_each_step_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pet.exporting")
    export_onnx(nn.ReLU(), {"images": torch.rand(1, 3, 8, 9)}, tmp_path / "m.onnx", output_names=["o"], dynamic=False)
    assert [record.getMessage() for record in caplog.records] == [
        "export: tracing the network for images (1, 3, 8, 9)",
        "export: converting the graph to ONNX",
        "export: comparing onnxruntime with PyTorch on 3 inputs",
    ]
