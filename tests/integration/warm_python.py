"""A python that has the libraries loaded and forks for each script, which so begins in milliseconds and ends as in a process of its own."""

import atexit
import functools
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LIBRARIES = (
    *("torch", "torchvision", "timm", "segmentation_models_pytorch", "cv2", "PIL.Image", "torch.utils.tensorboard", "rich.progress"),
    *("pycocotools.coco", "faster_coco_eval", "fvcore.nn", "thop", "matplotlib.pyplot", "sklearn.datasets"),
    *("torch.onnx", "torch.export", "torch._dynamo", "onnxscript"),
)
SERVER = f"""
import atexit, gc, importlib, json, os, runpy, signal, socket, sys, threading

def finish(code):
    # as python ends, but the libraries are left as they are: to take them apart takes longer (1.9 s of CPU) than most scripts
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit((code or 0) & 255)

for name in {LIBRARIES!r}:
    importlib.import_module(name)
gc.collect()
# what is loaded is no garbage, which no fork has to look through
gc.freeze()
# pyarrow, which pandas loads where it is installed, brings jemalloc, whose own thread it stops around a fork and starts again
threads = [open("/proc/self/task/" + thread + "/comm").read().strip() for thread in os.listdir("/proc/self/task")]
assert len([name for name in threads if name != "jemalloc_bg_thd"]) == 1, "a fork would lose threads"

def rank_environment(rank, count, listener):
    if count == 1:
        return {{}}
    numbers = {{"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": listener.getsockname()[1]}}
    store = {{"PET_STORE_FD": listener.fileno()}} if rank == 0 else {{}}
    return {{name: str(value) for name, value in (numbers | store).items()}} | {{"MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}}

def start(request, variables):
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    output = os.open(request["output"], os.O_WRONLY | os.O_APPEND)
    for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
        os.dup2(descriptor, number)
    sys.stdin = open(0)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"] | variables)
    sys.path[:0] = [os.path.dirname(request["argv"][0]), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = request["argv"]
    # KeyboardInterrupt ends this process as it ends any python, by its signal
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        finish(ended.code)
    except Exception:
        sys.excepthook(*sys.exc_info())
        finish(1)
    finish(0)

for line in sys.stdin:
    request = json.loads(line)
    count, code = request["ranks"], 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = {{start(request, rank_environment(rank, count, listener)) for rank in range(count)}}
    while running:
        pid, status = os.wait()
        running.discard(pid)
        code = code or os.waitstatus_to_exitcode(status)
        # as the launcher does: the others would wait for the one that failed
        for other in running if code else ():
            os.kill(other, signal.SIGKILL)
    print(code, flush=True)
"""


class WarmPython:
    """The process that forks."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # where pyarrow is installed, scikit-learn loads it, and its allocator starts a thread
            env={**os.environ, "OMP_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"},
            start_new_session=True,
        )

    def run(
        self, argv: Sequence[str | Path], *, folder: Path, environment: dict[str, str], timeout: float, ranks: int = 1
    ) -> tuple[int, str]:
        """Run a script with its options in ``folder``; return the exit code, and what it printed on both streams.

        Args:
            argv: the script and its options.
            folder: where it runs.
            environment: its variables.
            timeout: in seconds.
            ranks: how many processes run it at the same time, which find each other as those of a launcher do.

        Raises:
            TimeoutError: it did not end in time, in seconds.
        """
        with tempfile.NamedTemporaryFile("r", encoding="utf-8", errors="replace") as output:
            request: dict[str, Any] = {"argv": [*map(str, argv)], "folder": str(folder), "environment": environment}
            request |= {"output": output.name, "ranks": ranks}
            assert self._server.stdin is not None
            assert self._server.stdout is not None
            self._server.stdin.write(json.dumps(request) + "\n")
            self._server.stdin.flush()
            if not select.select([self._server.stdout], [], [], timeout)[0]:
                self.close()
                warm_python.cache_clear()
                raise TimeoutError(f"{argv[0]} did not end within {timeout:g} s; it printed\n{output.read()}")
            answer = self._server.stdout.readline()
            assert answer, f"the server ended; {argv[0]} printed\n{output.read()}"
            return int(answer), output.read()

    def close(self) -> None:
        """End the server and what it runs."""
        for pid in [*_children(self._server.pid), self._server.pid]:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._server.communicate()


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


@functools.cache
def warm_python() -> WarmPython:
    """Return the one of this test process."""
    python = WarmPython()
    atexit.register(python.close)
    return python
