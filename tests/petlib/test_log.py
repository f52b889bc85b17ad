"""Logging takes over the process, so every test runs one of its own."""

import re
import subprocess
import sys
import textwrap

import pytest

STAMP = r"\[\d\d-\d\d \d\d:\d\d:\d\d\] "

HEAD = """
import logging, os, sys, warnings
from pathlib import Path
from petlib.errors import OutputError
from petlib.log import FILE_ONLY, setup_logging
logger = logging.getLogger("library")
"""


def run(folder, body):
    return subprocess.run(
        [sys.executable, "-c", HEAD + textwrap.dedent(body)], cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )


def test_rank_0_logs_to_the_screen_and_to_its_file(tmp_path):
    done = run(tmp_path, "print(setup_logging(Path('out'), rank=0, purpose='train')); logger.info('value %d', 3); logger.debug('not this')")
    path, line = done.stdout.splitlines()
    assert path == str(tmp_path / "out/logs/train_rank0.log")
    assert re.fullmatch(STAMP + "value 3", line)
    assert (tmp_path / "out/logs/train_rank0.log").read_text() == line + "\n"
    assert done.stderr == ""


def test_other_ranks_have_only_their_file_with_all_that_they_print(tmp_path):
    done = run(
        tmp_path,
        """
        import subprocess
        setup_logging(Path("out"), rank=3, purpose="test")
        logger.info("a log line")
        print("a print")
        print("to stderr", file=sys.stderr)
        subprocess.run(["echo", "a child"])
        """,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    lines = (tmp_path / "out/logs/test_rank3.log").read_text().splitlines()
    assert re.fullmatch(STAMP + "a log line", lines[0])
    assert lines[1:] == ["a print", "to stderr", "a child"]


def test_a_log_is_continued_and_early_output_carried_over(tmp_path):
    (tmp_path / "early.log").write_text("printed early\n")
    for _ in range(2):
        run(tmp_path, "setup_logging(Path('out'), rank=1, purpose='train', early_output=Path('early.log')); logger.info('line')")
    text = (tmp_path / "out/logs/train_rank1.log").read_text()
    assert text.count("printed early") == text.count("line\n") == 2


def test_setting_up_again_moves_the_log_without_doubling_lines(tmp_path):
    done = run(
        tmp_path,
        "for name in ('a', 'b'): setup_logging(Path(name), rank=0, purpose='train')\nlogger.info('once')",
    )
    assert done.stdout.count("once") == 1
    assert (tmp_path / "a/logs/train_rank0.log").read_text() == ""


def test_warnings_and_levels_are_marked(tmp_path):
    done = run(tmp_path, "setup_logging(Path('out'), rank=0, purpose='train'); warnings.warn('careful'); logger.error('broken')")
    assert re.search(STAMP + "WARNING: .*careful", done.stdout)
    assert re.search(STAMP + "ERROR: broken", done.stdout)
    assert "careful" in (tmp_path / "out/logs/train_rank0.log").read_text()


def test_lines_for_the_file_only_stay_off_the_screen(tmp_path):
    done = run(tmp_path, "setup_logging(Path('out'), rank=0, purpose='train'); logger.info('details', extra=FILE_ONLY)")
    assert done.stdout == ""
    assert "details" in (tmp_path / "out/logs/train_rank0.log").read_text()


def test_what_a_library_prints_itself_is_on_the_screen_once(tmp_path):
    done = run(
        tmp_path,
        """
        setup_logging(Path("out"), rank=0, purpose="train")
        logger.addHandler(logging.StreamHandler())
        logging.getLogger("library.part").warning("retrying")
        logging.getLogger("another").warning("goes on")
        """,
    )
    assert done.stderr == "retrying\n"
    assert re.fullmatch(STAMP + "WARNING: goes on\n", done.stdout)
    assert re.fullmatch(f"{STAMP}WARNING: retrying\n{STAMP}WARNING: goes on\n", (tmp_path / "out/logs/train_rank0.log").read_text())


def test_a_crash_leaves_its_trace_in_the_log(tmp_path):
    done = run(tmp_path, "import faulthandler; setup_logging(Path('out'), rank=0, purpose='train'); os.abort()")
    assert done.returncode < 0
    assert "Fatal Python error: Aborted" in (tmp_path / "out/logs/train_rank0.log").read_text()


def test_an_output_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path):
    (tmp_path / "out").write_text("a file")
    done = run(
        tmp_path,
        """
        try:
            setup_logging(Path("out"), rank=0, purpose="train")
        except OutputError as error:
            print(error)
        """,
    )
    assert done.stdout == "setup_logging.folder out: a file, but a folder for the results expected; name another\n"


def test_lines_are_in_the_users_names_of_settings(tmp_path):
    run(
        tmp_path,
        """
        from petlib.errors import name_in_errors
        setup_logging(Path("out"), rank=0, purpose="train")
        with name_in_errors({"MISC.CKPT": "work_dir"}), name_in_errors({"Loader.folder": "MISC.CKPT"}):
            logging.warning("a bad %s", "Loader.folder")
        logging.warning("no name for Loader.folder")
        """,
    )
    lines = (tmp_path / "out/logs/train_rank0.log").read_text().splitlines()
    assert [line.partition("] ")[2] for line in lines] == ["WARNING: a bad work_dir", "WARNING: no name for Loader.folder"]


@pytest.mark.parametrize("open_screen", ["os.pipe", "os.openpty"])
def test_logging_and_printing_survive_a_screen_that_is_gone(tmp_path, open_screen):
    done = run(
        tmp_path,
        f"reader, writer = {open_screen}()"
        """
        os.dup2(writer, 1)
        os.close(writer)
        setup_logging(Path("out"), rank=0, purpose="train")
        os.close(reader)
        for number in range(3):
            logger.info("line %d", number)
            print("a print")
        """.replace("\n        ", "\n"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "line 2" in (tmp_path / "out/logs/train_rank0.log").read_text()


def test_a_closed_stdout_object_is_survived(tmp_path):
    done = run(tmp_path, "setup_logging(Path('out'), rank=0, purpose='train'); sys.stdout.close(); logger.info('one'); logger.info('two')")
    assert (done.returncode, done.stderr) == (0, "")
    assert "two" in (tmp_path / "out/logs/train_rank0.log").read_text()


def test_a_full_disk_under_the_log_is_reported_once_with_what_is_lost(tmp_path):
    (tmp_path / "out/logs").mkdir(parents=True)
    (tmp_path / "out/logs/train_rank0.log").symlink_to("/dev/full")
    done = run(tmp_path, "setup_logging(Path('out'), rank=0, purpose='train'); logger.info('one'); logger.info('two')")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("it cannot be written: No space left on device; its lines wait in memory, the run goes on") == 1
    assert re.search(STAMP + "two", done.stdout)
    assert re.search("train_rank0.log: 3 lines are lost$", done.stdout.strip())


@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full", ">/dev/full 2>&1"])
def test_missing_and_full_streams_change_neither_the_log_nor_the_exit_code(tmp_path, streams):
    body = """
    setup_logging(Path("out"), rank=0, purpose="train")
    opened = os.open("opened", os.O_WRONLY | os.O_CREAT)
    for number in range(2):
        logger.info("line %d", number)
        print("a print", flush=True)
        os.system("echo a child; echo a child >&2")
    os.write(opened, b"mine")
    sys.exit(3)
    """
    (tmp_path / "script.py").write_text(HEAD + textwrap.dedent(body))
    done = subprocess.run(["sh", "-c", f"{sys.executable} script.py {streams}"], cwd=tmp_path, capture_output=True, text=True, timeout=180)
    assert done.returncode == 3, done.stderr
    assert (tmp_path / "opened").read_text() == "mine"
    assert [line[17:] for line in (tmp_path / "out/logs/train_rank0.log").read_text().splitlines()] == ["line 0", "line 1"]


def test_a_replaced_stdout_gets_the_lines(tmp_path):
    done = run(
        tmp_path,
        """
        import contextlib, io
        setup_logging(Path("out"), rank=0, purpose="train")
        with contextlib.redirect_stdout(io.StringIO()) as live:
            logger.info("above the bar")
        print(live.getvalue().count("above the bar"))
        """,
    )
    assert done.stdout == "1\n"
