"""The tests that are marked ``cuda``, in parallel."""

import os
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from report import Report, part_options

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Run them and write a row for each that fails."""
    arguments = part_options(__doc__).parse_args()
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if "mark.cuda" in path.read_text(encoding="utf-8")]
    results = arguments.rows.with_suffix(".xml")
    os.chdir(ROOT)
    workers = ["-n", str(min(len(files), (os.cpu_count() or 2) // 2))] if not arguments.dry else []
    options = ["-m", "cuda", "--nightly", "-p", "no:cacheprovider", f"--junitxml={results}", *workers]
    code = pytest.main([*options, *map(str, files)])
    report = Report(arguments.rows)
    cases = [*ElementTree.parse(results).iter("testcase")]
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = [case for case in cases if case.find("skipped") is not None]
    count = len(cases) - len(failed) - len(skipped)
    wanted = count > 0 or arguments.dry
    report.add("tests passed", count, passed=wanted and not failed and int(code) == 0, note=f"{len(failed)} failed, {len(skipped)} skipped")
    for case in failed:
        text = "".join((problem.get("message") or "") + "\n" + (problem.text or "")[-2500:] for problem in case)
        report.add(f"{case.get('classname')}.{case.get('name')}", "failed", passed=False, note=text)
    sys.exit(int(code))


if __name__ == "__main__":
    main()
