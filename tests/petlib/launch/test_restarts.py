"""Restarts by the launcher itself, on one machine."""

import re
import signal

LONG = "time.sleep(1000)"


def test_a_failed_run_is_started_again_and_says_why(toy):
    toy.script("""
        print("attempt", os.environ["TORCHELASTIC_RESTART_COUNT"], "of rank", RANK, flush=True)
        mark("pid" + os.environ["TORCHELASTIC_RESTART_COUNT"] + "_")
        if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            while RANK == "1" and not Path("pid0_0").exists():
                time.sleep(0.01)
            if RANK == "1":
                raise ValueError("only at first")
            time.sleep(1000)
    """)
    done = toy.run("--nproc", "2", "--max_restarts", "1")
    assert done.returncode == 0, done.stderr
    toy.wait_for("pid0_0", "pid0_1", "pid1_0", "pid1_1")
    assert "restart 1 after rank 1 failed:" in done.stdout
    assert "ValueError: only at first" in done.stdout
    assert "ValueError: only at first\nrestart 1 of 1\n" in done.stderr
    # the log goes on where the first attempt ended
    assert re.findall("attempt .*", toy.log(1)) == ["attempt 0 of rank 1", "attempt 1 of rank 1"]


def test_a_restart_after_a_kill_says_who_was_killed(toy):
    toy.script("""
        if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            if RANK == "1":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(1000)
    """)
    done = toy.run("--nproc", "2", "--max_restarts", "3")
    assert done.returncode == 0, done.stderr
    assert "restart 1 after rank 1 failed:\nrank 1 was killed by SIGKILL (out of memory?)" in done.stdout
    assert "restart 1 of 3" in done.stderr
    assert "restart 2" not in done.stderr


def test_a_rank_that_had_been_asked_to_end_begins_again_like_the_others(toy):
    toy.script("""
        from petlib.launch.watch.status import status
        if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            signal.signal(signal.SIGTERM, lambda number, _: status.set_signal(number))
            mark("pid")
            while RANK == "1" and not Path("pid0").exists():
                time.sleep(0.01)
            if RANK == "1":
                raise ValueError("the reason")
            time.sleep(1000)
        time.sleep(1)
    """)
    done = toy.run("--nproc", "2", "--max_restarts", "1")
    assert done.returncode == 0, done.stderr


def test_when_restarts_are_used_up_the_last_failure_is_printed_last(toy, gone):
    toy.script("""
        mark("pid" + os.environ["TORCHELASTIC_RESTART_COUNT"] + "_")
        if RANK == "1":
            while not Path("pid" + os.environ["TORCHELASTIC_RESTART_COUNT"] + "_0").exists():
                time.sleep(0.01)
            raise ValueError("attempt " + os.environ["TORCHELASTIC_RESTART_COUNT"])
        time.sleep(1000)
    """)
    done = toy.run("--nproc", "2", "--max_restarts", "2")
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("ValueError: attempt 2")
    gone(toy.wait_for("pid0_0", "pid0_1", "pid2_1"))


def test_a_mistake_of_the_user_is_not_repeated(toy):
    toy.script("mark('pid' + os.environ['TORCHELASTIC_RESTART_COUNT'] + '_'); raise DataError('data/x.png: cut off')")
    done = toy.run("--nproc", "2", "--max_restarts", "3")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, "error: data/x.png: cut off")
    assert not (toy.root / "pid1_0").exists()


def test_a_run_that_was_asked_to_stop_is_not_started_again(toy, gone):
    toy.script(f"stop_in_order(); mark('pid' + os.environ['TORCHELASTIC_RESTART_COUNT'] + '_'); {LONG}")
    process = toy.start("--nproc", "2", "--max_restarts", "3")
    pids = toy.wait_for("pid0_0", "pid0_1")
    process.send_signal(signal.SIGTERM)
    assert toy.end(process).returncode == 143
    assert not (toy.root / "pid1_0").exists()
    gone(pids)
