#!/usr/bin/env bash
# Collects the wheels that Pet and its tests need on a Linux machine (x86-64) without a network, where torch and torchvision are installed.
#
#   tools/ci/offline_bundle.sh PYTHON TORCH [FOLDER] [PRESENT]
#   tools/ci/offline_bundle.sh 3.12 2.11 wheels present.txt
#
# PYTHON and TORCH are the versions there; FOLDER is made (default: wheels). PRESENT is a file with the names of packages that are
# installed there, one a line, e.g. the first column of its `pip list`; they are left out. There:
#
#   python -m pip install --no-index --no-deps --target site wheels/*.whl && PYTHONPATH=site:lib:. python tools/gpu_check.py
#
# $PIP (default: python3 -m pip) does the work; any version of Python from 3.11 on can collect for another.
set -euo pipefail
python=$1 torch=$2 folder=${3:-wheels} present=${4:-/dev/null}
root=$(cd "$(dirname "$0")/../.." && pwd)
read -ra pip <<< "${PIP:-python3 -m pip}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"

# Packages without wheels; they are pure Python, so what is built here works there.
"${pip[@]}" wheel --quiet --no-deps --wheel-dir "$work" fvcore iopath

# Empty wheels replace torch and torchvision, so that the resolver counts them as present and fetches none of their 3 GB.
python3 - "$work" "$torch" <<'PYTHON'
import sys
import zipfile
from pathlib import Path

folder, torch = Path(sys.argv[1]), [*map(int, sys.argv[2].split("."))]
for name, version in {"torch": f"{torch[0]}.{torch[1]}.0+present", "torchvision": f"0.{torch[1] + 15}.0+present"}.items():
    place = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{place}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{place}/WHEEL", "Wheel-Version: 1.0\nGenerator: offline_bundle\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{place}/RECORD", "")
PYTHON

# pip matches the versions of manylinux one by one
target=(--python-version "$python" --implementation cp --only-binary=:all: --find-links "$work")
for glibc in 39 35 34 31 28 27 24 17 12 5; do target+=(--platform "manylinux_2_${glibc}_x86_64"); done
target+=(--platform manylinux2014_x86_64 --platform manylinux2010_x86_64 --platform manylinux1_x86_64)

# What setup.py requires, and what the tests that need a GPU take beyond that.
python3 - "$root/setup.py" > "$work/wanted.txt" <<'PYTHON'
import ast
import sys
from pathlib import Path

lists = {}
for node in ast.parse(Path(sys.argv[1]).read_text(encoding="utf-8")).body:
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
        lists[node.targets[0].id] = [item.value for item in node.value.elts if isinstance(item, ast.Constant)]
tests = [line for line in lists["DEV"] if line.startswith(("pytest", "hypothesis", "torchmetrics"))]
print("\n".join([*lists["REQUIRED"], *lists["DEMO"], *lists["EXPORT"], *tests]))
PYTHON

"${pip[@]}" install --quiet --dry-run --ignore-installed --report "$work/report.json" --target "$work/unused" "${target[@]}" \
    -r "$work/wanted.txt" "torch==$torch.0+present"

python3 - "$work/report.json" "$present" > "$work/missing.txt" <<'PYTHON'
import json
import re
import sys
from pathlib import Path


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


present = {plain(line.split()[0]) for line in Path(sys.argv[2]).read_text(encoding="utf-8").splitlines() if line.split()}
found = {item["metadata"]["name"]: item["metadata"]["version"] for item in json.loads(Path(sys.argv[1]).read_text())["install"]}
for name, version in sorted(found.items()):
    if plain(name) not in present | {"torch", "torchvision"}:
        print(f"{name}=={version}")
PYTHON

"${pip[@]}" download --quiet --no-deps --dest "$folder" "${target[@]}" -r "$work/missing.txt"
ls -s --block-size=k "$folder"
