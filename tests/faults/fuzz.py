"""Files changed by chance, and what reads them: every one has to end in success or in a message of ours.

A fuzz test has four parts; this is a whole one::

    @pytest.mark.fault("let-in", "mutated COCO files")
    @pytest.mark.parametrize("count", COUNTS)
    def test_coco(count: int, tmp_path: Path, happened: Happened) -> None:
        trees = mutated_trees([VALID_DOCUMENT])                               # structure-aware
        inputs = generate(st.one_of(trees.map(as_json), mutated([json.dumps(VALID_DOCUMENT).encode()], TOKENS)), count)
        outcome = assert_survives(inputs, read_it, tmp_path, name="instances.json")  # read_it(path): any callable, also a closure
        happened(str(outcome))

``mutated_trees``, ``mutated`` and ``as_json`` are in ``tests/faults/mutations.py``. The same strategy gives the same inputs on every run;
``PET_FUZZ_SEED=7`` gives others.
"""

import faulthandler
import json
import os
import re
import resource
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from petlib.errors import UserError

COUNTS = [200, pytest.param(2000, marks=pytest.mark.nightly)]
"""Inputs of a fuzz test in CI and in the nightly run."""

ROOT = Path(__file__).parents[2]
FOREIGN = re.compile("site-packages|/lib/python|^<")
MEMORY_BYTES = 2 * 10**9
LONGEST_MESSAGE = 20_000
BATCH = 100
"""Inputs that one child process handles, so that what an input leaves behind does not add up."""


@dataclass
class Outcome:
    """How a fuzz test ended: counts of inputs, and of messages by their first words."""

    succeeded: int = 0
    refused: int = 0
    peak_bytes: int = 0
    slowest_seconds: float = 0.0
    messages: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return (
            f"{self.succeeded + self.refused} inputs, {self.succeeded} accepted, {self.refused} refused with a message; "
            f"{self.peak_bytes / 1e6:.0f} MB and {self.slowest_seconds:.1f} s at most"
        )


def generate(strategy: SearchStrategy[Any], count: int) -> list[Any]:
    """Return ``count`` values of a strategy, the same on every run."""
    values: list[Any] = []
    chosen = os.environ.get("PET_FUZZ_SEED")

    @settings(
        # some examples are drawn again by hypothesis, which then has fewer different ones
        max_examples=count,
        derandomize=chosen is None,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        values.append(value)

    (collect if chosen is None else seed(int(chosen))(collect))()
    assert len(values) >= count, f"the strategy gave {len(values)} values only"
    return values[:count]


def run_limited(script: str, *words: object, folder: Path, memory_bytes: int = MEMORY_BYTES) -> subprocess.CompletedProcess[str]:
    """Run a script of this repository from its beginning, in a folder and with limited memory."""
    limit = partial(resource.setrlimit, resource.RLIMIT_DATA, (memory_bytes, resource.RLIM_INFINITY))
    command = [sys.executable, str(ROOT / script), *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120, preexec_fn=limit)


def assert_survives(
    inputs: Sequence[bytes],
    handle: Callable[[Path], object],
    folder: Path,
    *,
    name: str,
    seconds_each: float = 10.0,
    memory_bytes: int = MEMORY_BYTES,
) -> Outcome:
    """Hand every input to ``handle`` as a file, in child processes with limits.

    Args:
        inputs: contents of files.
        handle: is called with the path of the file. It may return or raise a ``UserError``, and nothing else. What is slow to make
            (a model, valid files next to the mutated one) is made before, in this process: the children are forks of it.
        folder: the file is written here, as ``name``; afterwards ``failures/`` has the first input of each kind of failure.
        name: the file's name.
        seconds_each: an input that takes longer fails; its stack is shown.
        memory_bytes: what a child may allocate beyond what it inherits; the same number limits the size of files that it writes.

    Raises:
        AssertionError: an input ended otherwise; the message names every kind of failure and the file with its input.
    """
    run = _Run(inputs, handle, folder, name, seconds_each, memory_bytes)
    at = 0
    while at < len(inputs):
        at = run.batch(at)
    outcome = run.outcome
    assert not outcome.failures, f"{len(outcome.failures)} kinds of failure; {outcome}\n\n" + "\n\n".join(outcome.failures.values())
    return outcome


@dataclass
class _Run:
    inputs: Sequence[bytes]
    handle: Callable[[Path], object]
    folder: Path
    name: str
    seconds_each: float
    memory_bytes: int
    outcome: Outcome = field(default_factory=Outcome)

    def batch(self, start: int) -> int:
        """Handle the next inputs in a child; return the number of the first that is left."""
        end = min(start + BATCH, len(self.inputs))
        (self.folder / "fuzz.log").unlink(missing_ok=True)
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            try:
                self._child(self.inputs[start:end])
            finally:
                os._exit(3)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        records = self._records()
        for number, record in enumerate(records, start):
            self._note(number, record)
        done = start + len(records)
        if done < end:
            # the calls of this file and of pytest come after those of what was called
            screen = (self.folder / "fuzz.screen").read_text(errors="replace").partition(f'File "{__file__}"')[0]
            self._fail(
                done, f"ended with {code}", f"a signal, no memory, or longer than {self.seconds_each:g} s (code {code}):\n{screen[-4000:]}"
            )
            done += 1
        return done

    def _records(self) -> list[dict[str, Any]]:
        log = self.folder / "fuzz.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def _note(self, number: int, record: dict[str, Any]) -> None:
        outcome = self.outcome
        outcome.peak_bytes = max(outcome.peak_bytes, record["memory"])
        outcome.slowest_seconds = max(outcome.slowest_seconds, record["seconds"])
        if record["kind"] == "failed":
            self._fail(number, record["where"], record["text"])
        elif record["memory"] > self.memory_bytes:
            self._fail(number, "memory", f"it took {record['memory'] / 1e9:.1f} GB")
        elif record["kind"] == "refused":
            outcome.refused += 1
            outcome.messages[record["text"]] += 1
        else:
            outcome.succeeded += 1

    def _fail(self, number: int, where: str, text: str) -> None:
        failures = self.outcome.failures
        if where in failures:
            return
        kept = self.folder / "failures" / f"{len(failures)}_{self.name}"
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(self.inputs[number])
        failures[where] = f"input {number}, kept in {kept}:\n{text}"

    def _child(self, inputs: Sequence[bytes]) -> None:
        self._limit()
        before = _peak_bytes()
        path = self.folder / self.name
        with (self.folder / "fuzz.log").open("a", buffering=1) as records:
            for content in inputs:
                path.unlink(missing_ok=True)
                path.write_bytes(content)
                faulthandler.dump_traceback_later(self.seconds_each, exit=True, file=sys.stderr)
                begun = os.times().elapsed
                record = _handle(self.handle, path)
                faulthandler.cancel_dump_traceback_later()
                record |= {"memory": _peak_bytes() - before, "seconds": os.times().elapsed - begun}
                records.write(json.dumps(record) + "\n")
        os._exit(0)

    def _limit(self) -> None:
        """Make this process one that prints into a file, has one thread, and gets no more than its share."""
        output = os.open(self.folder / "fuzz.screen", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        # pytest's streams lead elsewhere
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        faulthandler.enable(file=sys.stderr)
        # threads of the parent are not here, and whoever waited for them would wait for ever
        torch.set_num_threads(1)
        resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + self.memory_bytes, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.memory_bytes, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _handle(handle: Callable[[Path], object], path: Path) -> dict[str, Any]:
    try:
        handle(path)
    except UserError as error:
        text = str(error)
        if not text or len(text) > LONGEST_MESSAGE:
            return {"kind": "failed", "where": "message", "text": f"a message of {len(text)} characters: {text[:500]}"}
        return {"kind": "refused", "text": text.replace(str(path.parent), "").strip(" /:")[:60]}
    except BaseException as error:  # noqa: BLE001 -- whatever else comes out is what the test has to show
        frames = traceback.extract_tb(error.__traceback__)
        ours = next(
            (frame for frame in reversed(frames) if "site-packages" not in frame.filename and "/lib/python" not in frame.filename),
            frames[-1],
        )
        where = f"{type(error).__name__} {ours.filename}:{ours.lineno}"
        return {"kind": "failed", "where": where, "text": "".join(traceback.format_exception(error, limit=-12))[-4000:]}
    return {"kind": "succeeded"}


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _data_bytes() -> int:
    """Return what RLIMIT_DATA counts of this process now."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
    return int(line.split()[1]) * 1024
