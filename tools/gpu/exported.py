"""Networks exported in float16 as programs of torch.export, run on the GPU and compared with PyTorch in float32.

onnxruntime is not used: its package for CPUs has no CUDA.
"""

import tempfile
from pathlib import Path

import torch
from report import Report, device_of, part_options
from tasks import ROOT, run_script
from torch.export.passes import move_to_device_pass

from pet import vision
from petlib.config import load_cfg
from petlib.data.seeding import seed_everything

CASES = {
    "ResNet-50": ("vision/imagenet/resnet50.yaml", 224, ["EXPORT.SAMPLES=0"]),
    "semantic segmentation": ("vision/shapes/semseg_R-18.yaml", 128, ["EXPORT.SAMPLES=0"]),
    "Faster R-CNN": ("vision/shapes/faster_rcnn_R-18-FPN.yaml", 128, ["EXPORT.SAMPLES=0", "TEST.SCORE_THRESHOLD=0.0"]),
}
TOLERANCE = 0.03


def try_case(name: str, folder: Path, report: Report, device: torch.device) -> None:
    """Export a network with random weights, run the file on the device, and compare."""
    path, size, settings = CASES[name]
    cfg = load_cfg(vision.config, ROOT / "cfgs" / path, [f"MISC.CKPT={folder}"])
    seed_everything(0)
    weights, out = folder / "weights.pth", folder / "half.pt2"
    network = vision.GeneralizedCNN(cfg)
    torch.save({"model": network.state_dict()}, weights)
    words = ["--cfg", str(ROOT / "cfgs" / path), "--weights", str(weights), "--out", str(out), f"MISC.CKPT={folder}"]
    log = folder / "log"
    code = run_script("export_net.py", [*words, "EXPORT.HALF=True", f"EXPORT.SIZE=[{size},{size}]", *settings], log)
    report.add(f"{name}: export in float16", code, passed=code == 0, note="" if code == 0 else log.read_text()[-2000:])
    if code:
        return
    program = torch.export.load(str(out))
    pixels = torch.randint(256, (1, 3, size, size), generator=torch.Generator().manual_seed(0)).float()
    inputs = (pixels, torch.tensor([size, size])) if "R-CNN" in name else (pixels,)
    with torch.inference_mode():
        expected = program.module()(*inputs)
        on_device = (move_to_device_pass(program, str(device)) if device.type == "cuda" else program).module()
        found = on_device(*(tensor.to(device) for tensor in inputs))
    first, wanted = (one if isinstance(one, torch.Tensor) else one[0] for one in (found, expected))
    same_shape = first.shape == wanted.shape
    worst = float((first.cpu() - wanted).abs().max() / wanted.abs().max().clamp(min=1)) if same_shape else float("inf")
    report.add(f"{name}: float16 on {device.type} and CPU", worst, passed=worst <= TOLERANCE, note=f"first output; at most {TOLERANCE}")


def main() -> None:
    """Try all networks, in --dry the smallest."""
    arguments = part_options(__doc__).parse_args()
    report, device = Report(arguments.rows), device_of(arguments)
    for name in ["semantic segmentation"] if arguments.dry else CASES:
        with tempfile.TemporaryDirectory() as folder:
            try:
                try_case(name, Path(folder), report, device)
            except (RuntimeError, ValueError, AssertionError, TypeError) as error:
                report.add(f"{name}: float16 on {device.type}", type(error).__name__, passed=False, note=str(error)[-2000:])


if __name__ == "__main__":
    main()
