"""Ctrl-C in a process of a run that no launcher started: one line, once."""

import pytest

from petlib.launch.process.run_process import RunProcess, run_process

LINE = "stopped by Ctrl-C; the same command goes on from the last checkpoint, where there is one\n"


@pytest.mark.parametrize(("local_rank", "line"), [(None, LINE), ("0", LINE), ("1", "")])
def test_the_first_process_reports_the_interrupt(
    local_rank: str | None, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if local_rank is not None:
        monkeypatch.setenv("LOCAL_RANK", local_rank)

    def main(_: RunProcess) -> None:
        raise KeyboardInterrupt

    assert run_process(main) == 130
    assert capsys.readouterr().err == line
