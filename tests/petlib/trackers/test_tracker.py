import importlib.util
from pathlib import Path

import pytest

from petlib.errors import ConfigError
from petlib.trackers.hidden_values import hide_private_values
from petlib.trackers.process import TrackedRecord, read_state, serve
from petlib.trackers.tracker import TrackedRun, check_trackers


class Kept:
    """A tracker that remembers what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []

    def begin(self, run: TrackedRun, record: str) -> str:
        self.calls.append(("begin", record))
        return record or "new"

    def log_figures(self, figures: dict[str, float], iteration: int) -> None:
        if iteration == 13:
            raise RuntimeError("unlucky")
        self.calls.append(("figures", iteration))

    def log_picture(self, name: str, path: Path, iteration: int) -> None:
        self.calls.append(("picture", name))

    def log_file(self, name: str, path: Path) -> None:
        self.calls.append(("file", name))

    def end(self, outcome: str) -> None:
        self.calls.append(("end", outcome))


def test_a_record_whose_run_is_gone_without_a_word_ends_as_failed(tmp_path: Path) -> None:
    tracker, problems = Kept(), []
    record = TrackedRecord(tracker, tmp_path / "trackers" / "kept.json")
    assert record.begin(TrackedRun("digits", "run", tmp_path, {}), "") == "new"
    lines = [f'{{"do": "figures", "kind": "training", "iteration": {number}, "figures": {{}}}}' for number in (12, 13, 14)]
    serve(record, lines, problems.append)
    assert tracker.calls == [("begin", ""), ("figures", 12), ("figures", 14), ("end", "failed")]
    assert [str(problem) for problem in problems] == ["unlucky"]
    assert read_state(tmp_path / "trackers" / "kept.json") == {"record": "new", "training": 14}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["mlfow"], r"check_trackers\.names: unknown tracker 'mlfow'; did you mean mlflow\?\n  there are: .*mlflow.*trackio, wandb"),
        (["wandb"], r"check_trackers\.names: wandb is given, but it is not installed: pip install 'pet-vision\[wandb\]', or leave it out"),
    ],
)
def test_names_that_cannot_be_used_are_reported(names: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=message):
        check_trackers(names)


def test_a_name_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    check_trackers(["mlflow", "wandb"])
    with pytest.raises(ConfigError, match="mlflow is given 2 times"):
        check_trackers(["mlflow", "wandb", "mlflow"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("401 for key 0123abcd", "401 for key $WANDB_API_KEY"),
        (
            "HTTPConnectionPool(host='tracker.example', port=5000): refused",
            "HTTPConnectionPool(host='$MLFLOW_TRACKING_URI', port=5000): refused",
        ),
        ("https://ann:hidden@tracker.example/api", "$MLFLOW_TRACKING_URI/api"),
        ("https://bob:other@elsewhere.example/api", "https://elsewhere.example/api"),
        ("the mode is offline", "the mode is offline"),
    ],
)
def test_tokens_and_addresses_are_not_printed(text: str, shown: str) -> None:
    environment = {
        "WANDB_API_KEY": "0123abcd",
        "WANDB_MODE": "offline",
        "MLFLOW_TRACKING_URI": "https://ann:hidden@tracker.example",
        "HOME": "elsewhere.example",
    }
    assert hide_private_values(text, environment) == shown
