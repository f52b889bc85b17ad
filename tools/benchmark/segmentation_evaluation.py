"""What it costs to evaluate label images, compared with the forward pass of a U-Net with a ResNet-18, on the CPU.

One image is 3 x 1024 x 1024 with 16 classes by default. The forward pass (segmentation-models-pytorch, random weights) and the evaluation
take turns, medians are shown. The evaluation is what comes after the logits: the greatest one of each pixel as uint8, and counting
the pixels of each pair of classes. The last line is one JSON object.

    python tools/benchmark/segmentation_evaluation.py [--size 1024] [--classes 16] [--repeats 5] [--threads 1]
"""

import argparse
import json
import statistics
import time

import segmentation_models_pytorch
import torch
from counts import count

from pet.metrics.segmentation import SegmentationMetrics
from pet.models.segmentation.pixels import labels_of


def main() -> None:
    """Measure, print a table, and print the figures as one JSON object in the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=count, default=1024, help="height and width of the image, a multiple of 32")
    parser.add_argument("--classes", type=count, default=16, help="at most 255")
    parser.add_argument("--repeats", type=count, default=5, help="forward passes and evaluations")
    parser.add_argument("--threads", type=count, default=1, help="threads of torch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    figures = measure(arguments.size, arguments.classes, arguments.repeats)
    print(f"{arguments.size} x {arguments.size} pixels, {arguments.classes} classes, {arguments.threads} threads")
    print(f"{'forward pass':<34}{figures['forward_ms']:>9.1f} ms")
    print(f"{'greatest logit of each pixel':<34}{figures['argmax_ms']:>9.1f} ms")
    print(f"{'SegmentationMetrics.update':<34}{figures['update_ms']:>9.1f} ms")
    print(f"the evaluation costs {figures['ratio']:.1%} of the forward pass (at most 15 % is wanted)")
    print(json.dumps(figures))


@torch.inference_mode()
def measure(size: int, classes: int, repeats: int) -> dict[str, float]:
    """Return the figures, times in milliseconds, medians over ``repeats`` after one warm-up."""
    torch.manual_seed(0)
    network = segmentation_models_pytorch.Unet("resnet18", encoder_weights=None, classes=classes).eval()
    image = torch.randn(1, 3, size, size)
    truth = torch.randint(0, classes, (1, size, size), dtype=torch.uint8)
    truth[:, : size // 20] = 255
    metrics = SegmentationMetrics(classes)
    rows: list[tuple[float, float, float]] = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        logits = network(image)
        forward = time.perf_counter()
        labels = labels_of(logits, threshold=0.0)
        decided = time.perf_counter()
        metrics.update(labels, truth)
        rows.append((forward - start, decided - forward, time.perf_counter() - decided))
    assert metrics.merge().num_pixels == (repeats + 1) * int((truth != 255).sum()), "pixels were lost"
    forward, argmax, update = (1000 * statistics.median(column) for column in zip(*rows[1:], strict=True))
    return {
        "size": size,
        "classes": classes,
        "forward_ms": round(forward, 1),
        "argmax_ms": round(argmax, 1),
        "update_ms": round(update, 1),
        "ratio": round((argmax + update) / forward, 4),
    }


if __name__ == "__main__":
    main()
