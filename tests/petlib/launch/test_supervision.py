"""What happens when a rank fails, when the run is asked to stop, and when the launcher dies."""

import os
import signal
import stat
import subprocess
import time

import pytest

from tests.petlib.launch.conftest import LIMIT_SECONDS

LONG = "time.sleep(1000)"


def test_a_failing_rank_ends_all_and_its_traceback_is_printed_last(toy, gone):
    toy.script(f"""
        mark("pid")
        if RANK == "1":
            while not Path("pid2").exists() or not Path("pid0").exists():
                time.sleep(0.02)
            raise ValueError("the reason")
        {LONG}
    """)
    done = toy.run("--nproc", "3")
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("ValueError: the reason")
    assert "rank 1 failed:\nTraceback" in done.stderr
    assert done.stderr.count("Traceback") == 1
    assert "ValueError: the reason" in toy.log(1)
    gone(toy.wait_for("pid0", "pid1", "pid2"))


def test_the_first_failure_is_shown_not_its_echo(toy):
    toy.script("""
        if RANK == "1":
            raise ValueError("the reason")
        signal.signal(signal.SIGTERM, lambda *_: None)
        while not list(Path(os.environ.get("TMPDIR")).glob("*/error_rank1*.json")):
            time.sleep(0.01)
        raise ConnectionError("closed by peer")
    """)
    done = toy.run("--nproc", "2")
    assert done.stderr.rstrip().endswith("ValueError: the reason")
    assert "closed by peer" not in done.stderr
    assert list(toy.temporary.iterdir()) == []


def test_a_rank_that_ignores_sigterm_is_killed_with_its_children(toy, gone):
    toy.script("""
        import subprocess
        if RANK == "0":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(1000)"])
            Path("child").write_text(str(child.pid))
            time.sleep(1000)
        while not Path("child").exists():
            time.sleep(0.02)
        time.sleep(0.3)
        raise ValueError("the reason")
    """)
    done = toy.run("--nproc", "2")
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("ValueError: the reason")
    gone(toy.wait_for("child"))


def test_what_a_finished_rank_left_behind_is_ended(toy, gone):
    toy.script("""
        import subprocess
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        Path("child").write_text(str(child.pid))
    """)
    done = toy.run()
    assert done.returncode == 0, done.stderr
    gone(toy.wait_for("child"))


def test_a_rank_that_is_killed_is_named_with_its_signal_and_last_lines(toy):
    toy.script("""
        print("the last thing I did", flush=True)
        mark("pid")
        if RANK == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        while not (Path("pid1").exists() and Path("pid1").read_text()):
            time.sleep(0.02)
        stat = Path("/proc", Path("pid1").read_text(), "stat")
        while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.02)
        raise ConnectionError("closed by peer")
    """)
    done = toy.run("--nproc", "2")
    assert done.returncode == 128 + signal.SIGKILL
    assert "rank 1 was killed by SIGKILL (out of memory?)" in done.stderr
    assert done.stderr.rstrip().endswith("the last thing I did")
    assert "closed by peer" not in done.stderr


def test_an_exit_without_a_word_is_reported_with_its_code(toy):
    toy.script("""
        if RANK == "1":
            print("about to leave", flush=True)
            os._exit(7)
        time.sleep(1000)
    """)
    done = toy.run("--nproc", "2")
    assert done.returncode == 7
    assert "rank 1 ended with exit code 7" in done.stderr
    assert done.stderr.rstrip().endswith("about to leave")


def test_an_error_before_the_script_is_set_up_is_shown_too(toy):
    toy.script("pass")
    script = toy.root / "tools/toy/train_net.py"
    script.write_text("import os, time\nif os.environ['RANK'] == '1':\n    {}['no such key']\ntime.sleep(1000)\n")
    done = toy.run("--nproc", "2")
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("KeyError: 'no such key'")


@pytest.mark.parametrize(
    ("imports", "own", "message"),
    [
        (
            "import no_such_module",
            "",
            "tools/toy/train_net.py:1: ModuleNotFoundError: No module named 'no_such_module'\n    import no_such_module",
        ),
        ("from own import net", "x = 1\ny = x.z\n", "own.py:2: AttributeError: 'int' object has no attribute 'z'\n    y = x.z"),
        ("import own", "def f(:\n", "own.py:1: SyntaxError: invalid syntax\n    def f(:"),
        ("import own", "import json\njson.loads('{')\n", "own.py:2: JSONDecodeError: Expecting property name"),
        ("def f(:", "", "tools/toy/train_net.py:1: SyntaxError: invalid syntax\n    def f(:"),
    ],
)
def test_a_mistake_in_what_a_script_imports_is_one_message_with_its_line(toy, imports, own, message):
    toy.script("mark('ran')")
    script = toy.root / "tools/toy/train_net.py"
    script.write_text(f"{imports}\n{script.read_text()}")
    toy.write("own.py", own)
    done = toy.run("--nproc", "2")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.split("error: ", 1)[1].startswith(f"{toy.root}/{message}")
    assert done.stderr.count("Error: ") == 1
    assert not (toy.root / "ran0").exists()


def test_an_import_that_fails_in_a_run_keeps_its_traceback(toy):
    toy.script("import no_such_module")
    done = toy.run()
    assert done.returncode == 1
    assert "rank 0 failed:\nTraceback" in done.stderr
    assert done.stderr.rstrip().endswith("ModuleNotFoundError: No module named 'no_such_module'")


def test_a_mistake_of_the_user_is_reported_once_without_a_traceback(toy):
    toy.script("raise DataError('data/x.png: cut off')")
    done = toy.run("--nproc", "3")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "error: data/x.png: cut off"
    assert done.stderr.count("cut off") == 1
    assert "Traceback" not in done.stderr


def test_a_system_exit_keeps_its_code(toy):
    toy.script("sys.exit(5)")
    assert toy.run().returncode == 5


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_reaches_the_ranks_which_save_and_end(toy, gone, number, code):
    toy.script(f"stop_in_order(); mark('pid'); {LONG}")
    process = toy.start("--nproc", "2")
    pids = toy.wait_for("pid0", "pid1")
    process.send_signal(number)
    done = toy.end(process)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    # only what listens for the signals has something to save
    assert f"{number.name}: the run ends" in done.stderr
    toy.wait_for("saved0", "saved1")
    gone(pids)


def test_an_interrupt_before_the_ranks_are_set_up_ends_them_quietly(toy, gone):
    toy.script("pass")
    script = toy.root / "tools/toy/train_net.py"
    script.write_text("import os, time; open('pid' + os.environ['RANK'], 'w').write(str(os.getpid())); time.sleep(1000)")
    process = toy.start("--nproc", "2")
    pids = toy.wait_for("pid0", "pid1")
    process.send_signal(signal.SIGINT)
    done = toy.end(process)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    gone(pids)


def test_saving_may_take_its_time_and_a_second_interrupt_ends_it(toy, gone):
    toy.script("""
        signal.signal(signal.SIGINT, lambda *_: mark("asked"))
        mark("pid")
        while True:
            time.sleep(0.1)
    """)
    process = toy.start("--nproc", "2")
    pids = toy.wait_for("pid0", "pid1")
    process.send_signal(signal.SIGINT)
    toy.wait_for("asked0", "asked1")
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert toy.end(process).returncode == 130
    gone(pids)


def test_an_error_while_saving_is_not_hidden_by_the_signal(toy):
    toy.script("""
        def stop(number, frame):
            raise DataError("disk full")
        stop_in_order()
        if RANK == "0":
            signal.signal(signal.SIGTERM, stop)
        mark("pid")
        time.sleep(1000)
    """)
    process = toy.start("--nproc", "2")
    toy.wait_for("pid0", "pid1")
    process.send_signal(signal.SIGTERM)
    done = toy.end(process)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, "error: disk full")


def test_a_signal_before_the_ranks_can_save_ends_them_quietly(toy, gone):
    toy.script("""
        mark("pid")
        if RANK == "1":
            def stop(number, frame):
                time.sleep(0.5)
                raise ConnectionError("closed by peer")
            signal.signal(signal.SIGTERM, stop)
        time.sleep(1000)
    """)
    process = toy.start("--nproc", "2")
    pids = toy.wait_for("pid0", "pid1")
    process.send_signal(signal.SIGTERM)
    done = toy.end(process)
    assert done.returncode == 143
    assert "closed by peer" not in done.stderr
    gone(pids)


def test_a_rank_that_others_stop_takes_the_others_along(toy, gone):
    toy.script(f"stop_in_order(); mark('pid'); {LONG}")
    process = toy.start("--nproc", "2")
    pids = toy.wait_for("pid0", "pid1")
    os.kill(pids[1], signal.SIGTERM)
    assert toy.end(process).returncode == 143
    toy.wait_for("saved0", "saved1")
    gone(pids)


def test_when_the_launcher_is_killed_the_ranks_save_and_end(toy, gone):
    toy.script(f"stop_in_order(); mark('pid'); {LONG}")
    process = toy.start("--nproc", "2")
    pids = toy.wait_for("pid0", "pid1")
    process.kill()
    toy.wait_for("saved0", "saved1")
    gone(pids)
    assert list(toy.temporary.iterdir()) == []


def test_a_rank_that_does_not_end_after_its_launcher_is_killed_with_its_children(toy, gone):
    toy.script("""
        import subprocess
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        Path("child").write_text(str(child.pid))
        mark("pid")
        time.sleep(1000)
    """)
    process = toy.start(PET_ORPHAN_GRACE="0.2")
    pids = toy.wait_for("pid0", "child")
    process.kill()
    gone(pids)


def test_a_run_goes_on_when_the_reader_of_its_output_is_gone(toy):
    toy.script("""
        import logging
        mark("pid")
        while not Path("closed").exists():
            time.sleep(0.02)
        for number in range(3):
            logging.getLogger("toy").info("line %d", number)
        print("a plain print")
        mark("end")
    """)
    process = toy.start()
    toy.wait_for("pid0")
    process.stdout.close()
    process.stderr.close()
    (toy.root / "closed").write_text("1")
    assert process.wait(timeout=LIMIT_SECONDS) == 0
    toy.wait_for("end0")
    assert "line 2" in toy.log(0)


def test_a_training_that_saved_says_how_it_goes_on(toy):
    toy.script("""
        from petlib.launch.watch.status import status
        status.set_iterations(3)
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
        mark("pid")
        time.sleep(600)
    """)
    process = toy.start()
    toy.wait_for("pid0")
    process.send_signal(signal.SIGTERM)
    done = toy.end(process)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (143, "stopped by SIGTERM; the same command goes on from the checkpoint")


def test_an_ignored_hangup_stays_ignored(toy):
    toy.script("mark('pid')\nwhile not Path('go').exists():\n    time.sleep(0.02)")
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = toy.start(stdout=subprocess.DEVNULL)
    finally:
        signal.signal(signal.SIGHUP, previous)
    toy.wait_for("pid0")
    process.send_signal(signal.SIGHUP)
    (toy.root / "go").write_text("1")
    assert toy.end(process).returncode == 0


def test_what_others_ask_a_rank_for_is_passed_on_at_once(toy, gone):
    """Rank 0 evaluates and hears of nothing; it ends because the launcher asks it to."""
    toy.script("""
        from petlib.launch.watch.status import status
        def stop(number, frame):
            mark("asked")
            status.set_signal(number)
        signal.signal(signal.SIGTERM, stop)
        mark("pid")
        while not (Path("asked0").exists() and Path("asked1").exists()):
            time.sleep(0.02)
        sys.exit(143)
    """)
    process = toy.start("--nproc", "2")
    pids = toy.wait_for("pid0", "pid1")
    os.kill(pids[1], signal.SIGTERM)
    done = toy.end(process)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (143, "stopped by SIGTERM")
    gone(pids)


def test_the_request_to_save_reaches_the_ranks_that_can(toy):
    toy.script("""
        from petlib.launch.watch.status import status
        mark("early")
        while not Path("go").exists():
            time.sleep(0.02)
        signal.signal(signal.SIGUSR1, lambda *_: mark("request"))
        status.set_listening(True)
        mark("pid")
        while not Path(f"request{RANK}").exists():
            time.sleep(0.02)
    """)
    # what starts the launcher may ignore the signal, as a process does that has nothing to save
    previous = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        process = toy.start("--nproc", "2")
    finally:
        signal.signal(signal.SIGUSR1, previous)
    early = toy.wait_for("early0", "early1")
    for pid in (process.pid, *early):
        os.kill(pid, signal.SIGUSR1)
    while "SIGUSR1" not in (printed := process.stderr.readline()):
        assert printed, "the launcher said nothing"
    (toy.root / "go").write_text("1")
    toy.wait_for("pid0", "pid1")
    process.send_signal(signal.SIGUSR1)
    done = toy.end(process)
    assert done.returncode == 0, done.stderr
    assert printed == "SIGUSR1: there is nothing to save yet\n"
    assert "SIGUSR1: the run saves and goes on" in done.stderr


def test_the_folder_of_a_launch_is_private(toy):
    toy.script("mark('pid'); time.sleep(1000)")
    process = toy.start()
    toy.wait_for("pid0")
    (folder,) = toy.temporary.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    process.send_signal(signal.SIGTERM)
    toy.end(process)
