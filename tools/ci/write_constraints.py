"""Write the file of tested versions, from environments in which the suite has passed.

python tools/ci/write_constraints.py constraints/tested.txt PYTHON...
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from packaging.version import Version

HEAD = """\
# Versions that the test suite has passed with, for `pip install -c` and `uv pip install -c`; tools/ci/matrix.sh renews them.
# torch and torchvision are free within the range of setup.py, and so are the CUDA packages that each torch asks for.
"""
FREE = re.compile(r"(torch|torchvision|triton|nvidia-.*|cuda-.*|pip|pet-vision)")
QUESTION = """
import importlib.metadata, json, sys
packages = {package.name: package.version for package in importlib.metadata.distributions()}
print(json.dumps(("%d.%d" % sys.version_info[:2], packages)))
"""


def installed(python: str) -> tuple[str, dict[str, str]]:
    """Return the version of an interpreter, as "3.12", and those of its packages."""
    answer = subprocess.run([python, "-c", QUESTION], check=True, capture_output=True, text=True).stdout
    version, packages = json.loads(answer)
    names = {re.sub(r"[-_.]+", "-", name).lower(): package for name, package in packages.items()}
    return version, {name: package for name, package in names.items() if not FREE.fullmatch(name)}


def constraints(environments: list[tuple[str, dict[str, str]]]) -> Iterator[str]:
    """Yield one line for each package, or one for each of its versions where the Pythons have different ones.

    Where environments of one Python differ, the oldest version counts: the newer ones are what one of the torches cannot go with.
    """
    found: dict[str, dict[str, Version]] = defaultdict(dict)
    for python, packages in environments:
        for name, version in packages.items():
            found[name][python] = min(Version(version), found[name].get(python, Version(version)))
    for name, versions in sorted(found.items()):
        for version in sorted(set(versions.values())):
            pythons = sorted((python for python in versions if versions[python] == version), key=Version)
            marker = " or ".join(f'python_version == "{python}"' for python in pythons)
            yield f"{name}=={version}" + (f" ; {marker}" if len(set(versions.values())) > 1 else "")


if __name__ == "__main__":
    target, *interpreters = sys.argv[1:]
    Path(target).write_text(HEAD + "\n".join(constraints([installed(python) for python in interpreters])) + "\n", encoding="utf-8")
