"""Nothing let in by the way that processes are started: ports, temporary folders, shells, secrets."""

import ast
import os
import re
import stat
from pathlib import Path

import pytest

from tests.faults.conftest import Happened
from tests.faults.test_processes import IN_THE_DATA
from tests.faults.training import LIMIT_SECONDS, ROOT, Training, descendants

SECRET = "h7Kq2-never-to-be-seen"
LOOPBACK = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")
LISTENING = "0A"


def listening_addresses(pids: list[int]) -> dict[str, str]:
    """Return the local address of each listening TCP socket of some processes, by its inode, as /proc/net/tcp writes them."""
    inodes = {
        found[1]
        for pid in pids
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if (found := re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink()))) is not None
    }
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path("/proc/net", table).read_text().splitlines()[1:]]
    return {row[9]: row[1].partition(":")[0] for row in rows if row[3] == LISTENING and row[9] in inodes}


@pytest.mark.fault(4, "a rank hangs in its data while another waits for it")
def test_a_run_that_hangs_listens_on_loopback_only_and_prints_no_secret(training: Training, happened: Happened, tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    secrets = {"HUB_TOKEN": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET, "DB_PASSWORD": SECRET, "TMPDIR": str(tmp_path / "temporary")}
    module = training.module("stuck_in_data", IN_THE_DATA)
    process = training.start(module, "MISC.DIST_TIMEOUT=8", "--max_restarts=0", ranks=2, environment=secrets)
    training.wait_for_file("stopped")
    addresses = listening_addresses([process.pid, *descendants(process.pid)])
    assert addresses, "no listening socket was found: this test looks in the wrong place"
    assert set(addresses.values()) <= set(LOOPBACK)
    (folder,) = [path for path in (tmp_path / "temporary").iterdir() if path.name.startswith("pet-launch-")]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert process.wait(LIMIT_SECONDS) == 1
    printed = training.printed()
    assert re.search(r"rank 0 failed after iteration \d+:\nTraceback", printed), printed
    sample = r"the last that it began to read was sample \d+ \(position \d+ of epoch \d\)"
    assert re.search(rf"rank 1 did not come; {sample}; it was here, the latest call first:", printed), printed
    assert re.search(r"stuck_in_data.py\", line \d+ in stop_here", printed), printed
    assert not folder.exists()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert training.folder / "logs" / "train_rank1.log" in written
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
    happened(f"exit code 1, rank 1 is named with its stack; {len(addresses)} sockets, all on the loopback address; no secret was written")


@pytest.mark.fault("let-in", "secrets in the environment, shown by --dry_run")
@pytest.mark.parametrize("options", [(), ("--max_restarts=2",), ("--nnodes=2", "--rdzv_endpoint=node0:29500")])
def test_a_dry_run_prints_no_secret(training: Training, happened: Happened, options: tuple[str, ...]) -> None:
    code, printed = training.run("--dry_run", *options, ranks=2, environment={"HUB_TOKEN": SECRET, "DB_PASSWORD": SECRET})
    assert code == 0, printed
    assert "OMP_NUM_THREADS" in printed or "CUDA_VISIBLE_DEVICES" in printed
    assert SECRET not in printed
    happened("only what the launcher sets is shown")


@pytest.mark.nightly
@pytest.mark.fault("let-in", "ports of a run that was started again")
def test_a_restarted_run_listens_on_loopback_only(training: Training, happened: Happened) -> None:
    process = training.start("--max_restarts=1", "SOLVER.SCHEDULER.TOTAL_ITERS=2000", ranks=2)
    training.wait_for_iteration(5)
    first = descendants(process.pid)
    os.kill(first[0], 9)
    training.wait_for("restart 1 of 1")
    training.wait_for(r"continuing from iteration \d+ of 2000")
    seen = max(training.logged_iterations())
    training.wait_for_iteration(seen + 10)
    addresses = listening_addresses([process.pid, *descendants(process.pid)])
    assert addresses
    assert set(addresses.values()) <= set(LOOPBACK)
    happened(f"{len(addresses)} sockets, all on the loopback address")


# what takes code or a shell's words from a string; where it is used all the same, the source gives the reason
FORBIDDEN = {"eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "marshal.loads", "yaml.load", "yaml.unsafe_load"}
FORBIDDEN |= {"subprocess.getoutput", "subprocess.getstatusoutput", "tempfile.mktemp", "yaml.full_load", "joblib.load", "shelve.open"}
REVIEWED = {
    # what it reads was written a moment before by this program
    "lib/petlib/data/records.py": {"pickle.loads"},
    "lib/petlib/errors.py": {"pickle.loads"},
}
SOURCES = sorted(path for folder in ("lib", "pet", "tools") for path in (ROOT / folder).rglob("*.py"))


def forbidden_calls(path: Path) -> set[str]:
    """Return the calls of a source that would run what a file or a user says."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name, keywords = ast.unparse(node.func), {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if name in FORBIDDEN or keywords.get("shell", "False") != "False":
            found.add(name)
        if name.endswith("torch.load") and keywords.get("weights_only") != "True":
            found.add(name)
        if name.endswith(("np.load", "numpy.load")) and keywords.get("allow_pickle", "False") != "False":
            found.add(name)
    return found


@pytest.mark.fault("let-in", "a string of the user in a shell, or code in a file")
def test_no_source_hands_a_string_to_a_shell_or_runs_what_a_file_says(happened: Happened) -> None:
    found = {str(path.relative_to(ROOT)): calls for path in SOURCES if (calls := forbidden_calls(path))}
    assert {path: calls for path, calls in found.items() if calls - REVIEWED.get(path, set())} == {}
    happened(f"none in {len(SOURCES)} files, but for two that read what they wrote themselves")


@pytest.mark.parametrize(
    "source",
    ["subprocess.run(x, shell=True)", "os.system(x)", "eval(x)", "torch.load(p)", "torch.load(p, weights_only=False)", "yaml.load(x)"],
)
def test_what_is_forbidden_is_found(tmp_path: Path, source: str) -> None:
    (tmp_path / "x.py").write_text(source)
    assert forbidden_calls(tmp_path / "x.py")
