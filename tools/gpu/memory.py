"""Memory of 500 iterations of Pet's loop, on the device and in the process: it does not grow."""

import tempfile
from pathlib import Path

import torch
from loops import Batch, Repeated, allocated, load
from report import Report, device_of, part_options

from pet import vision
from petlib import engine, solver


class MemoryNotes(engine.Hook):
    """Notes the memory of the device and of the process after every tenth of a run."""

    order = 95
    key = "memory_notes"

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.on_device: list[int] = []
        self.of_process: list[int] = []

    def after_step(self, state: engine.TrainState) -> None:
        """Note both."""
        if state.iteration % max(1, state.max_iter // 10) == 0:
            self.on_device.append(allocated(self._device))
            self.of_process.append(resident())


def resident() -> int:
    """Return the bytes of main memory that this process takes."""
    words = Path("/proc/self/statm").read_text().split()
    return int(words[1]) * 4096


def prepared(device: torch.device, *, dry: bool) -> list[Batch]:
    """Return batches of images of several sizes with objects."""
    generator = torch.Generator().manual_seed(0)
    batches = []
    for edge in (64, 96) if dry else (256, 320, 384, 448):
        boxes = torch.rand(4, 5, 2, generator=generator) * edge * 0.5
        boxes = torch.cat([boxes, boxes + edge * 0.3], dim=-1).to(device)
        image = torch.randn(4, 3, edge, edge, generator=generator).to(device)
        labels = torch.randint(4, (4, 5), generator=generator).to(device)
        meta = [{"index": place} for place in range(4)]
        batches.append({"image": image, "boxes": list(boxes), "labels": list(labels), "meta": meta, "image_sizes": [(edge, edge)] * 4})
    return batches


def main() -> None:
    """Train a small detector and compare the memory after the first fifth with that at the end."""
    arguments = part_options(__doc__).parse_args()
    report, device = Report(arguments.rows), device_of(arguments)
    iterations = 10 if arguments.dry else 500
    with tempfile.TemporaryDirectory() as folder:
        settings = ["SOLVER.EMA.ENABLED=True", "MODEL.BACKBONE=timm/test_resnet", "MODEL.FPN.CHANNELS=32"] if arguments.dry else []
        cfg = load(vision.config, "vision/shapes/faster_rcnn_R-18-FPN.yaml", Path(folder), iterations, settings)
        model = engine.prepare_model(vision.GeneralizedCNN(cfg), cfg, device)
        optimizer, step = solver.build_optimizer(model, cfg), engine.build_step(cfg, device)
        state = engine.build_state(cfg, model=model, optimizer=optimizer, step=step, iterations_per_epoch=iterations)
        notes = MemoryNotes(device)
        loader = Repeated(prepared(device, dry=arguments.dry))
        hooks = [*engine.build_train_hooks(cfg, state, batches=loader.batches), notes]
        engine.train(state, loader, step, hooks)
    grown = (notes.on_device[-1] - notes.on_device[1]) / 2**20
    report.add(
        "memory of the device, growth", grown, "MiB", passed=grown <= 1, note=f"over {iterations} iterations of Faster R-CNN; at most 1"
    )
    grown = (notes.of_process[-1] - notes.of_process[1]) / 2**20
    limit = None if arguments.dry else grown <= 32
    report.add("memory of the process, growth", grown, "MiB", passed=limit, note="at most 32")


if __name__ == "__main__":
    main()
