import os
import socket
import sys
import time

import pytest
import torch
from torch import nn
from torch.distributed.rendezvous import TCPStore

from petlib import distributed
from petlib.errors import DeviceError


def describe_process():
    return (
        distributed.rank(),
        distributed.world_size(),
        distributed.local_rank(),
        distributed.local_world_size(),
        distributed.is_main_process(),
    )


def test_without_a_group_there_is_one_process():
    distributed.init_process_group(torch.device("cpu"), timeout_seconds=120)
    assert describe_process() == (0, 1, 0, 1, True)
    distributed.destroy_process_group()


def test_ranks_know_who_they_are(run_ranks):
    assert run_ranks(describe_process, 2) == [(0, 2, 0, 2, True), (1, 2, 1, 2, False)]


def fail_on_rank_one():
    if distributed.rank() == 1:
        raise ValueError("broken on purpose")
    distributed.barrier()


def test_a_failing_rank_shows_its_traceback(run_ranks):
    with pytest.raises(pytest.fail.Exception, match="rank 1 failed:(.|\n)*fail_on_rank_one(.|\n)*broken on purpose"):
        run_ranks(fail_on_rank_one, 2)


def meet_at(port):
    distributed.destroy_process_group()
    os.environ["MASTER_PORT"] = str(port)
    distributed.init_process_group(torch.device("cpu"), timeout_seconds=120)
    return distributed.all_gather_objects(distributed.rank())


def test_ranks_meet_without_a_handed_socket(run_ranks):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert run_ranks(meet_at, 2, port) == [[0, 1], [0, 1]]


def open_groups(environment):
    distributed.destroy_process_group()
    os.environ.update(environment)
    gathered = []
    for _ in range(12):
        distributed.init_process_group(torch.device("cpu"), timeout_seconds=120)
        gathered.append(distributed.all_gather_objects(distributed.rank()))
        # the first rank is still in one group while the second asks for the next, and the other way round
        time.sleep(0.03 * ((len(gathered) + distributed.rank()) % 2))
        distributed.destroy_process_group()
        time.sleep(0.03 * ((len(gathered) // 2 + int(os.environ["RANK"])) % 2))
    distributed.init_process_group(torch.device("cpu"), timeout_seconds=120)
    return gathered


def test_processes_open_one_group_after_another(run_ranks):
    assert run_ranks(open_groups, 2, {}) == [[[0, 1]] * 12] * 2


def test_processes_of_torchrun_open_one_group_after_another(run_ranks):
    # torchrun's agent serves the store, which outlives every group
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    environment = {"TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_USE_AGENT_STORE": "True", "MASTER_PORT": str(store.port)}
    assert run_ranks(open_groups, 2, environment) == [[[0, 1]] * 12] * 2


def leave_groups_with_models_of_theirs():
    # whoever holds the interpreter's lock keeps it until it waits: gloo's threads come late, as on a busy machine
    sys.setswitchinterval(1000)
    for _ in range(10):
        model = nn.parallel.DistributedDataParallel(nn.Linear(4, 4))
        model(torch.zeros(8, 4)).sum().backward()
        torch.distributed.broadcast(torch.zeros(1000), 0)
        distributed.destroy_process_group()
        del model
        distributed.init_process_group(torch.device("cpu"), timeout_seconds=120)
    sys.setswitchinterval(0.005)
    return "left"


def test_a_model_that_is_freed_after_its_group_does_not_wait_for_gloo(run_ranks):
    assert run_ranks(leave_groups_with_models_of_theirs, 2) == ["left", "left"]


def test_choose_device_takes_the_cpu_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert distributed.choose_device("cpu") == distributed.choose_device("auto") == torch.device("cpu")


def test_choose_device_gives_each_local_rank_its_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"Test GPU {index}")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert distributed.choose_device("auto") == torch.device("cuda", 1)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(DeviceError, match=r"number 2 on its node.*there are 2 \(Test GPU 0, Test GPU 1\); start at most 2 processes"):
        distributed.choose_device("cuda")


def test_a_missing_gpu_and_an_unknown_device_are_reported(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="sees no GPU here; use choose_device.name cpu or auto"):
        distributed.choose_device("cuda")
    with pytest.raises(DeviceError, match="unknown device 'tpu'; choose auto, cuda or cpu"):
        distributed.choose_device("tpu")
