"""The training step through Pet's whole loop against the bare step of the library, in turns, on a CPU.

A ResNet-18 at 224 pixels against torchvision's, Faster R-CNN with a ResNet-18 at 320x426 against torchvision's, and a U-Net with a
ResNet-18 at 192x256 against segmentation-models-pytorch, all in float32, with the default hooks and writers on. Rates are images per
second of processor time, which other work on the machine does not count against. tools/gpu_check.py measures larger ones on a GPU.
The last line is one JSON object.

    python tools/benchmark/training_step.py [classification|detection|segmentation] [--repeats 5] [--iterations 10]
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
from counts import count

sys.path.append(str(Path(__file__).resolve().parents[1] / "gpu"))

from report import Report
from steps import CASES, DRY, Scale, measure


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("case", nargs="?", choices=CASES, help="default: all")
    parser.add_argument("--repeats", type=count, default=5, help="turns that count")
    parser.add_argument("--iterations", type=count, default=10, help="timed ones of a turn")
    parser.add_argument("--dry", action="store_true", help="tiny sizes: shows that the script runs, and measures nothing")
    arguments = parser.parse_args()
    scale = Scale(
        resnet="resnet18",
        image=(224, 8),
        photograph=((320, 426), 2),
        tile=((192, 256), 8),
        segmenter=("unet", 0),
        timed=dict.fromkeys(CASES, arguments.iterations),
        turns=arguments.repeats,
    )
    torch.set_num_threads(1)
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        for name in [arguments.case] if arguments.case else CASES:
            measure(name, Report(rows), torch.device("cpu"), DRY if arguments.dry else scale)
        for row in map(json.loads, rows.read_text(encoding="utf-8").splitlines()):
            print(f"{row['name']:<32}{row['value']:>10.3f} {row['unit']:<10}{row['note']}")
            figures[row["name"]] = row["value"]
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
