"""Several machines, by torch's elastic agent."""

import signal
import socket
import subprocess
import sys

import pytest

from tests.petlib.launch.conftest import LIMIT_SECONDS


@pytest.fixture
def endpoint():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def machine(endpoint, *options, node, nodes):
    """Options of one of the machines."""
    return ["--nnodes", str(nodes), "--node_rank", str(node), "--rdzv_endpoint", endpoint, *options]


@pytest.mark.nightly
def test_a_failed_run_is_started_again_on_all_machines_and_says_why(toy, endpoint):
    toy.script("""
        mark("pid" + os.environ["TORCHELASTIC_RESTART_COUNT"] + "_")
        if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            while not Path("pid0_1").exists() or not Path("pid0_0").exists():
                time.sleep(0.01)
            # a rank whose peer has failed fails too, in its next collective
            raise ValueError("only at first")
    """)
    processes = [toy.start(*machine(endpoint, "--max_restarts", "1", node=node, nodes=2)) for node in (0, 1)]
    first, second = map(toy.end, processes)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    toy.wait_for("pid0_0", "pid0_1", "pid1_0", "pid1_1")
    assert "ValueError: only at first" in first.stdout + second.stdout


def test_two_machines_number_their_ranks_through_and_a_signal_reaches_them(toy, gone, endpoint):
    toy.script("stop_in_order(); print('LOCAL', os.environ['LOCAL_RANK']); mark('of' + os.environ['WORLD_SIZE'] + '_'); time.sleep(1000)")
    processes = [toy.start(*machine(endpoint, node=node, nodes=2)) for node in (0, 1)]
    pids = toy.wait_for("of2_0", "of2_1")
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        done = toy.end(process)
        assert done.returncode == 143, done.stderr
        assert "Traceback" not in done.stderr
    toy.wait_for("saved0", "saved1")
    gone(pids)
    assert "LOCAL 0" in toy.log(1)


@pytest.mark.nightly
def test_the_request_to_save_reaches_the_ranks_of_the_agent(toy, gone, endpoint):
    toy.script("""
        from petlib.launch.watch.status import status
        signal.signal(signal.SIGUSR1, lambda *_: mark("request"))
        status.set_listening(True)
        mark("pid")
        while not Path("request0").exists() or not Path("request1").exists():
            time.sleep(0.02)
    """)
    processes = [toy.start(*machine(endpoint, node=node, nodes=2)) for node in (0, 1)]
    toy.wait_for("pid0", "pid1")
    for process in processes:
        process.send_signal(signal.SIGUSR1)
    for process in processes:
        assert toy.end(process).returncode == 0


@pytest.mark.nightly
def test_when_the_launchers_of_the_agent_are_killed_the_ranks_save_and_end(toy, gone, endpoint):
    toy.script("stop_in_order(); mark('pid'); time.sleep(1000)")
    processes = [toy.start(*machine(endpoint, node=node, nodes=2)) for node in (0, 1)]
    pids = toy.wait_for("pid0", "pid1")
    for process in processes:
        process.kill()
    toy.wait_for("saved0", "saved1")
    gone(pids)


def test_torchrun_starts_the_script_too_and_shows_the_traceback(toy):
    # rank 1 waits for rank 0, which torchrun ends as soon as another rank fails
    wait = "    while not Path('printed0').exists():\n        time.sleep(0.01)\n"
    report = "print('WORLD', os.environ['WORLD_SIZE'], flush=True)\nmark('printed')\n"
    toy.script(f"{report}if RANK == '1':\n{wait}    raise ValueError('the reason')")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*command, "tools/toy/train_net.py", "--cfg", "cfgs/toy/x.yaml"],
        cwd=toy.root,
        env=toy.environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "WORLD 2" in done.stdout
    assert "ValueError: the reason" in done.stderr
    assert "ValueError: the reason" in toy.log(1)
