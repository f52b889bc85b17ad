"""The commands of docs/report.md."""

import argparse
import re
import shlex
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pet.commands import report, view
from petlib.errors import OutputError
from tests.pet.report.made_runs import write_run

PAGE = Path(__file__).parents[3] / "docs" / "report.md"


def parsed(command: str, add_options: Callable[[argparse.ArgumentParser], None]) -> argparse.Namespace:
    """Return the options of a command in a block of the page."""
    (line,) = re.findall(rf"^{command} .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(shlex.split(line)[1:])


def test_the_page_of_several_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(Path("ckpts/first"))
    write_run(Path("ckpts/second"), lr=0.2)
    assert report.report(parsed("pet-report", report.add_options)) == 0
    assert capsys.readouterr().out == "written: both.html\n"
    assert "SOLVER.OPTIMIZER.BASE_LR" in Path("both.html").read_text(encoding="utf-8")


def test_a_place_where_no_page_can_be_written_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", images=1, pictures=1)
    with pytest.raises(OutputError, match=f"^--out {tmp_path}: the results cannot be written: Is a directory; choose"):
        report.report(argparse.Namespace(runs=[run], out=tmp_path))
    with pytest.raises(OutputError, match="^--port: 99999 given, a number from 1 to 65535 expected, or 0 for any"):
        view.view(argparse.Namespace(run=run, port=99999))


def test_the_page_of_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(Path("ckpts/first"), tested=False)
    started: list[Any] = []

    def look(server: Any) -> None:
        thread = threading.Thread(target=server._server.serve_forever)
        thread.start()
        with urllib.request.urlopen(server.address, timeout=30) as answer:
            started.append(answer.read().decode())
        server.close()
        thread.join()
        server._server.server_close()
        raise KeyboardInterrupt

    monkeypatch.setattr(view.RunServer, "serve", look)
    options = parsed("pet-view", view.add_options)
    options.port = 0
    assert view.view(options) == 0
    assert "iteration 30 of 40" in started[0]
    assert re.fullmatch(
        r"the page of ckpts/first is at http://127\.0\.0\.1:\d+/\?token=[\w-]{22}\nCtrl-C ends it\nended\n", capsys.readouterr().out
    )
