"""Processes that share the work: two on one GPU over gloo with CUDA tensors, and one over nccl.

nccl does not let two processes use one GPU, so what it does with several of them needs several GPUs.
"""

import multiprocessing
import socket
import tempfile
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import torch
from loops import Repeated, load
from report import Report, device_of, part_options
from torch import Tensor, nn

from pet import vision
from petlib import distributed, engine, solver
from petlib.data.seeding import seed_everything
from petlib.distributed.collectives import all_gather_objects, all_reduce_mean, all_reduce_sum, any_rank, broadcast_buffers
from petlib.distributed.interruption import AgreedFlag

ITERATIONS = 6


def train(device: torch.device, folder: str, mode: str) -> list[float]:
    """Train a ResNet-20 on this rank's half of fixed batches; return the sums of its weights."""
    mine = [f"TRAIN.PARALLEL={mode}", "SOLVER.NONFINITE=skip", "SOLVER.EMA.ENABLED=False", "MODEL.SYNC_BN=False"]
    cfg = load(vision.config, "vision/digits/resnet20_digits.yaml", Path(folder), ITERATIONS, mine)
    seed_everything(0)
    model = distributed.parallelize(engine.prepare_model(vision.GeneralizedCNN(cfg), cfg, device), mode, device=device)
    optimizer, step = solver.build_optimizer(distributed.unwrap(model), cfg), engine.build_step(cfg, device)
    state = engine.build_state(cfg, model=model, optimizer=optimizer, step=step, iterations_per_epoch=ITERATIONS)
    generator = torch.Generator().manual_seed(distributed.rank())
    batches = [
        {"image": torch.randn(8, 3, 16, 16, generator=generator).to(device), "label": torch.arange(8, device=device)} for _ in range(2)
    ]
    loader = Repeated(batches)
    engine.train(state, loader, step, engine.build_train_hooks(cfg, state, batches=loader.batches))
    return [float(whole(value).double().sum()) for value in distributed.unwrap(model).parameters()]


def whole(value: nn.Parameter) -> Tensor:
    """Return a parameter that may be sharded."""
    return value.full_tensor() if hasattr(value, "full_tensor") else value.detach()


def exchange(device: torch.device) -> None:
    """Check every exchange of ``petlib.distributed`` with tensors on the device; raises AssertionError."""
    rank, size = distributed.rank(), distributed.world_size()
    total = all_reduce_sum(torch.full((3,), float(rank + 1), device=device))
    assert total.device.type == device.type and total.tolist() == [sum(range(1, size + 1))] * 3, total
    assert all_reduce_mean(torch.tensor([rank], device=device)).item() == (size - 1) / 2
    assert all_gather_objects({"rank": rank}) == [{"rank": other} for other in range(size)]
    assert any_rank(rank == size - 1, False) == (True, False)
    norm = nn.BatchNorm1d(2).to(device)
    norm.running_mean.fill_(float(rank))  # type: ignore[union-attr, operator]
    broadcast_buffers(norm)
    assert norm.running_mean.tolist() == [0.0, 0.0]  # type: ignore[union-attr, operator]
    flag = AgreedFlag()
    flag.exchange(rank)
    assert flag.exchange(0) == (size - 1 if size > 1 else 0)
    flag.finish()


class Job(NamedTuple):
    """What the ranks do: ``exchange``, ``ddp`` or ``fsdp``, in a folder, on a device."""

    size: int
    port: int
    backend: str
    device: str
    what: str
    folder: str


def run_rank(job: Job, rank: int, answers: Any) -> None:
    """Join the group by hand, since petlib wants a GPU for each process, and do one thing."""
    where = torch.device(job.device)
    try:
        if where.type == "cuda":
            torch.cuda.set_device(where)
        store = torch.distributed.TCPStore("127.0.0.1", job.port, job.size, is_master=rank == 0, timeout=timedelta(seconds=60))
        torch.distributed.init_process_group(job.backend, store=store, rank=rank, world_size=job.size, timeout=timedelta(seconds=60))
        result = exchange(where) if job.what == "exchange" else train(where, job.folder, job.what)
        distributed.barrier()
        torch.distributed.destroy_process_group()
        answers.put((rank, "", result))
    except BaseException:  # noqa: BLE001 -- whatever ends a rank is what the check has to show
        answers.put((rank, traceback.format_exc()[-2500:], None))


def try_ranks(size: int, backend: str, device: torch.device, what: str) -> tuple[str, list[Any]]:
    """Start the ranks; return the first error, and their results."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        job = Job(size, port, backend, str(device), what, folder)
        processes = [context.Process(target=run_rank, args=(job, rank, answers), daemon=True) for rank in range(size)]
        for process in processes:
            process.start()
        found = sorted(answers.get(timeout=100) for _ in processes)
        for process in processes:
            process.join(5)
            process.kill()
    return next((error for _, error, _ in found if error), ""), [result for *_, result in found]


def main() -> None:
    """Try the exchanges and both ways to share a model."""
    arguments = part_options(__doc__).parse_args()
    report, device = Report(arguments.rows), device_of(arguments)
    gloo = "cpu:gloo,cuda:gloo" if device.type == "cuda" else "gloo"
    cases = [(2, gloo, "exchange"), (2, gloo, "ddp"), (2, gloo, "fsdp")]
    if device.type == "cuda":
        cases.insert(0, (1, "cpu:gloo,cuda:nccl", "ddp"))
    for size, backend, what in cases[:2] if arguments.dry else cases:
        name = f"{size} rank{'s' * (size > 1)}, {backend.rpartition(':')[2]}, {what}"
        error, results = try_ranks(size, backend, device, what)
        equal = all(result == results[0] for result in results)
        report.add(name, "works" if not error else "failed", passed=not error and equal, note=error or ("" if equal else f"{results}"))


if __name__ == "__main__":
    main()
