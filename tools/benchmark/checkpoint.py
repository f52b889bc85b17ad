"""How long a save of about 200 MB stalls training: Pet's checkpointer compared with a plain ``torch.save`` of the same state.

The state is a ResNet-50 and its SGD momentum. The two take turns, so that whatever else the machine does hits both equally;
medians are shown. A small network trains meanwhile, to see what the background writer takes from it.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from counts import count
from torch import nn

from petlib.checkpoint import Checkpointer


def main() -> None:
    """Measure, print a table, and print the figures as one JSON object in the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=count, default=9, help="saves of each kind")
    parser.add_argument("--folder", type=Path, help="where to save; default: a temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        figures = measure(Path(folder), arguments.repeats)
    print(f"{'saving ' + str(figures['megabytes']) + ' MB':<34}{'stall':>10}{'until on disk':>16}")
    print(f"{'torch.save':<34}{figures['plain_ms']:>7.1f} ms{'':>16}")
    print(f"{'petlib Checkpointer':<34}{figures['pet_ms']:>7.1f} ms{figures['pet_written_ms']:>13.1f} ms")
    print(f"ratio {figures['ratio']:.3f} (at most 0.2 is wanted)")
    print(
        f"an iteration takes {figures['iteration_ms']:.2f} ms, while the writer is at work {figures['iteration_while_writing_ms']:.2f} ms"
    )
    print(f"training lost to the writer, in all: {figures['lost_while_writing_ms']:.0f} ms a save")
    print(json.dumps(figures))


def measure(folder: Path, repeats: int) -> dict[str, float]:
    """Return the figures, times in milliseconds, medians over ``repeats`` saves after one that is not counted."""
    components = make_components()
    iterate = make_iteration()
    checkpointer = Checkpointer(folder, keep=1)
    rows: list[dict[str, float]] = []
    for number in range(repeats + 1):
        state = {name: component.state_dict() for name, component in components.items()}
        alone = [timed(iterate) for _ in range(100)]
        plain = timed(lambda state=state: torch.save(state, folder / "plain.pth"))
        row = {"plain_ms": plain, "iteration_ms": statistics.median(alone)}
        rows.append(row | save_while_training(checkpointer, components, number, iterate, row["iteration_ms"]))
    medians = {name: round(statistics.median(row[name] for row in rows[1:]), 3) for name in rows[0]}
    megabytes = round((folder / "plain.pth").stat().st_size / 1e6)
    return {"megabytes": megabytes, "ratio": round(medians["pet_ms"] / medians["plain_ms"], 4), **medians}


def save_while_training(
    checkpointer: Checkpointer, components: dict[str, object], number: int, iterate: Callable[[], None], usual_ms: float
) -> dict[str, float]:
    """Save once and train until the file is on the disk."""
    start = time.perf_counter()
    stall = timed(lambda: checkpointer.save(components, iteration=number))
    during: list[float] = []
    file = checkpointer.folder / f"model_iter{number}.pth"
    while not file.exists():
        during.append(timed(iterate))
    written = (time.perf_counter() - start) * 1e3
    checkpointer.wait()
    lost = sum(during) - len(during) * usual_ms
    return {
        "pet_ms": stall,
        "pet_written_ms": written,
        "iteration_while_writing_ms": statistics.median(during or [usual_ms]),
        "lost_while_writing_ms": lost,
    }


def make_components() -> dict[str, nn.Module | torch.optim.Optimizer]:
    """Return a ResNet-50 and an optimizer that has its momentum."""
    model = torchvision.models.resnet50()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    return {"model": model, "optimizer": optimizer}


def make_iteration() -> Callable[[], None]:
    """Return a step of training of a small network, about a millisecond long."""
    network = nn.Sequential(*(nn.Sequential(nn.Linear(128, 128), nn.ReLU()) for _ in range(10)))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    inputs = torch.randn(64, 128)

    def iterate() -> None:
        network(inputs).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return iterate


def timed(work: Callable[[], object]) -> float:
    """Return how long ``work`` takes, in milliseconds."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    main()
