"""What a training step costs behind the embeddings of very many identities: a dense layer, all centres, and a sample of them.

Loss, backward pass and SGD with momentum and weight decay, each way in processes of its own, in turn; processor time of a step and the
memory of the process at its greatest, without that before the layer is made. The last line is one JSON object.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from counts import count
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, normalize

from pet.losses.margins import AngularMargin
from pet.models.class_centres import ClassCentres
from petlib.solver.row_updates import RowUpdate

WAYS = ("dense", "centres", "sampled")
WARM_UP = 1


def main() -> None:
    """Measure all ways in turn, or as ``--way`` one of them in this process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--identities", type=count, default=200_000)
    parser.add_argument("--length", type=count, default=512, help="of an embedding (default: 512)")
    parser.add_argument("--batch", type=count, default=64)
    parser.add_argument("--rate", type=float, default=0.1, help="share of the centres in a sample (default: 0.1)")
    parser.add_argument("--steps", type=count, default=3, help="steps that are measured in a process (default: 3)")
    parser.add_argument("--repeats", type=count, default=3, help="processes of each way (default: 3)")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options)))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(options.repeats):
        for way in WAYS:
            done = subprocess.run([sys.executable, *sys.argv, "--way", way], capture_output=True, text=True, check=True)
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
    figures = {f"{way}_{name}": statistics.median(one[name] for one in found[way]) for way in WAYS for name in ("seconds", "megabytes")}
    for way in WAYS:
        print(f"{way}: {figures[f'{way}_seconds']:.2f} s of processor time a step, {figures[f'{way}_megabytes']:.0f} MB")
    for way in WAYS[1:]:
        for name in ("seconds", "megabytes"):
            figures[f"{way}_{name}_ratio"] = figures[f"{way}_{name}"] / figures[f"dense_{name}"]
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Return seconds of processor time a step, and megabytes at the greatest."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    before = peak()
    weight, loss_of, update = build(options)
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9, weight_decay=5e-4)
    seconds = []
    for _ in range(WARM_UP + options.steps):
        embeddings = torch.randn(options.batch, options.length, generator=generator, requires_grad=True)
        labels = torch.randint(0, options.identities, (options.batch,), generator=generator)
        start = time.process_time()
        optimizer.zero_grad(set_to_none=True)
        loss_of(embeddings, labels).backward()  # type: ignore[no-untyped-call]
        update.begin(optimizer)
        optimizer.step()
        update.end()
        seconds.append(time.process_time() - start)
    return {"seconds": statistics.median(seconds[WARM_UP:]), "megabytes": peak() - before}


def build(options: argparse.Namespace) -> tuple[Tensor, Callable[[Tensor, Tensor], Tensor], RowUpdate]:
    """Return the weights, what gives the loss of embeddings and labels, and what keeps a step to a sample."""
    margin = AngularMargin()
    if options.way == "dense":
        weight = torch.nn.Parameter(torch.randn(options.identities, options.length).mul_(0.01))

        def dense_loss(embeddings: Tensor, labels: Tensor) -> Tensor:
            return cross_entropy(margin(linear(normalize(embeddings), normalize(weight)), labels), labels)

        return weight, dense_loss, RowUpdate(weight)
    rate = options.rate if options.way == "sampled" else 1.0
    sizes = {"num_classes": options.identities, "length": options.length}
    centres = ClassCentres(**sizes, margin=margin, sample_rate=rate, device=torch.device("cpu"))
    return centres.weight, lambda embeddings, labels: centres(embeddings, labels)[0], centres.update


def peak() -> float:
    """Return the greatest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
