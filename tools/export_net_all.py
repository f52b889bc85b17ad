"""Exports the trained model of a config, of any task: python tools/export_net_all.py --cfg PATH [--weights FILE] [--out FILE]."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

try:
    from pet.cli import export
except ModuleNotFoundError as error:
    print(f"error: {sys.executable} cannot import {error.name}: install Pet with  pip install -e {ROOT}", file=sys.stderr)
    sys.exit(2)

if __name__ == "__main__":
    sys.exit(export(ROOT))
