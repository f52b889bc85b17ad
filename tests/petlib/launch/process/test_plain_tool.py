"""What a tool without a config runs in."""

import argparse

import pytest

from petlib.errors import DataError, note_if_interrupted
from petlib.launch.process.tool import exit_code_of, reports_interrupt, run_plain_tool


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder")
    parser.add_argument("--count", type=int, default=1)


def exit_code(outcome: int | BaseException, *argv: str) -> object:
    seen: list[argparse.Namespace] = []

    def main(options: argparse.Namespace) -> int:
        seen.append(options)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome + int(options.count)

    with pytest.raises(SystemExit) as stopped:
        run_plain_tool(main, description="Counts.", add_options=add_options, argv=argv)
    return stopped.value.code


def test_options_arrive_and_the_code_is_returned() -> None:
    assert exit_code(3, "data", "--count", "4") == 7


def test_mistakes_are_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(DataError("a.zip: no archive"), "data") == 2
    assert capsys.readouterr().err == "error: a.zip: no archive\n"
    assert exit_code(0) == 2
    assert "the following arguments are required: folder" in capsys.readouterr().err


def test_an_interrupt_is_one_line_that_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(KeyboardInterrupt(), "data") == 130
    assert capsys.readouterr().err == "stopped by Ctrl-C; the same command begins anew\n"

    def copy() -> int:
        with note_if_interrupted("half of the files are there"):
            raise KeyboardInterrupt

    assert exit_code_of(copy) == 130
    assert capsys.readouterr().err == "stopped by Ctrl-C; half of the files are there\n"


def test_a_command_that_is_still_being_imported_reports_an_interrupt_too(capsys: pytest.CaptureFixture[str]) -> None:
    @reports_interrupt
    def command(code: int) -> int:
        if code:
            return code
        raise KeyboardInterrupt

    assert command(3) == 3
    with pytest.raises(SystemExit) as stopped:
        command(0)
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "stopped by Ctrl-C; the same command begins anew\n"


def test_options_are_not_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(0, "data", "--cou", "2") == 2
    assert "unknown option --cou; did you mean --count?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fodler", "data"], "unknown option --fodler"),
        (["data", "-x"], "unknown option -x"),
        (["data", "more"], "'more' is given, which has no meaning here"),
        (["data", "--count", "abc"], "argument --count: 'abc' given, a whole number expected"),
        (["--count", "-5m", "data"], "argument --count: '-5m' given, a whole number expected"),
    ],
)
def test_what_is_wrong_is_named_before_what_is_missing(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(0, *words) == 2
    assert message in capsys.readouterr().err


def test_faults_of_the_program_keep_their_traceback() -> None:
    with pytest.raises(RuntimeError, match="broken"):
        run_plain_tool(
            lambda options: (_ for _ in ()).throw(RuntimeError("broken")), description="", add_options=lambda parser: None, argv=[]
        )
