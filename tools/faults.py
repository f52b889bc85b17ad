"""Inject every fault that Pet promises to survive into the real command lines, and print one line each.

python tools/faults.py                    all of them, those that CI has no room for too
python tools/faults.py --promise 2        those of one promise of docs/reliability.md
python tools/faults.py -k "truncated"     those whose names fit

Needs the development set-up (pip install -e '.[dev]'). The exit code is 1 where a promise was broken.
"""

import argparse
import os
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).resolve().parent.parent / "tests" / "faults"


class Lines:
    """Prints what became of each fault: the promise, the fault, what happened, held or broken."""

    def __init__(self, promise: str | None) -> None:
        self._promise = promise
        self._faults: dict[str, tuple[str, str]] = {}
        self.broken = 0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the faults of the wanted promise, and remember what each injects."""
        wanted = []
        for item in items:
            marker = item.get_closest_marker("fault")
            if marker is None:
                continue
            promise, fault = map(str, marker.args)
            case = item.callspec.id if hasattr(item, "callspec") else ""
            self._faults[item.nodeid] = (promise, f"{fault} ({case})" if case else fault)
            if self._promise in (None, promise):
                wanted.append(item)
        items[:] = wanted

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print a line when a fault has been injected and judged."""
        if report.when != "call" and report.passed:
            return
        promise, fault = self._faults[report.nodeid]
        happened = "; ".join(str(text) for name, text in report.user_properties if name == "happened")
        if report.skipped:
            verdict, happened = "skipped", str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        else:
            verdict = "held" if report.passed else "BROKEN"
        print(f"{verdict:8} {promise:>7}  {fault}: {happened or 'nothing was noted'}", flush=True)
        if report.failed:
            self.broken += 1
            print(report.longreprtext, flush=True)


def main() -> int:
    """Run the faults and return the exit code."""
    parser = argparse.ArgumentParser(description="Inject every fault that Pet promises to survive, one line each.", allow_abbrev=False)
    parser.add_argument("--promise", help="a number of docs/reliability.md, or let-in, long-run, cost")
    parser.add_argument("-k", dest="names", default="", help="only those whose test's name contains this, as in pytest")
    arguments = parser.parse_args()
    os.chdir(FAULTS.parent.parent)
    lines = Lines(arguments.promise)
    # pyproject.toml's own options speak to the terminal reporter, which gives way to these lines
    options = ["-o", "addopts=--import-mode=importlib --strict-markers", "-p", "no:terminal", "--nightly"]
    names = ["-k", arguments.names] if arguments.names else []
    code = pytest.main([*options, *names, str(FAULTS)], plugins=[lines])
    print(f"{lines.broken} broken")
    return 0 if code == pytest.ExitCode.OK else 1


if __name__ == "__main__":
    sys.exit(main())
