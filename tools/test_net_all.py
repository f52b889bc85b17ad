"""Tests the trained model of a config, of any task, on every device: python tools/test_net_all.py --cfg PATH."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

try:
    from pet.cli import test
except ModuleNotFoundError as error:
    print(f"error: {sys.executable} cannot import {error.name}: install Pet with  pip install -e {ROOT}", file=sys.stderr)
    sys.exit(2)

if __name__ == "__main__":
    sys.exit(test(ROOT))
