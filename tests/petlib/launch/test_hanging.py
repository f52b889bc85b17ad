"""What is said of ranks that hang, and where a failure happened."""

import re

WAITS = """
from petlib.launch.watch.status import status
signal.signal(signal.SIGTERM, lambda *_: None)
status.set_iterations(12)
status.set_listening(True)
mark("pid")
while RANK == "0" and not Path("pid1").exists():
    time.sleep(0.02)
"""


def test_a_rank_that_did_not_come_is_named_with_the_place_where_it_is(toy):
    toy.script(f"""{WAITS}
status.set_sample(1, 77, 345)
if RANK == "0":
    raise RuntimeError("[gloo] Timed out waiting 5000ms for recv operation to complete")
def read_a_broken_disk():
    while True:
        time.sleep(1000)
read_a_broken_disk()
""")
    done = toy.run("--nproc", "2")
    assert done.returncode == 1
    assert "rank 0 failed after iteration 12:\nTraceback" in done.stderr
    last = done.stderr[done.stderr.index("the ranks waited") :]
    assert last.startswith("the ranks waited for each other: rank 0 after iteration 12, rank 1 after iteration 12\n")
    wanted = (
        "rank 1 did not come; the last that it began to read was sample 345 (position 77 of epoch 1); it was here, the latest call first:"
    )
    assert wanted in last
    assert re.search(r"in read_a_broken_disk\n.*in main\n", last), last


def test_a_suspended_rank_is_reported(toy):
    toy.script(f"""{WAITS}
if RANK == "1":
    os.kill(os.getpid(), signal.SIGSTOP)
while Path("/proc", Path("pid1").read_text(), "stat").read_text().rpartition(")")[2].split()[0] != "T":
    time.sleep(0.02)
raise RuntimeError("Timed out waiting 5000ms for recv operation to complete")
""")
    done = toy.run("--nproc", "2")
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("rank 1 did not come; the process was suspended (SIGSTOP)")


def test_the_place_of_a_killed_rank_is_reported(toy):
    toy.script("""
        from petlib.launch.watch.status import status
        status.set_iterations(12)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    assert "rank 0 was killed by SIGKILL (out of memory?) after iteration 12" in toy.run().stderr


def test_a_mistake_of_the_user_in_training_names_the_rank_and_the_iteration(toy):
    toy.script("""
        from petlib.launch.watch.status import status
        status.set_iterations(12)
        raise DataError("data/x.png: cut off")
    """)
    done = toy.run()
    assert done.returncode == 2
    assert done.stderr.endswith("rank 0 failed after iteration 12\nerror: data/x.png: cut off\n")
