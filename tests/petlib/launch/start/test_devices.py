import pytest

from petlib.errors import DeviceError
from petlib.launch.start.devices import choose_devices, visible_gpus


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("0", ["0"]),
        ("2,0", ["2", "0"]),
        (" 1 , 3 ", ["1", "3"]),
        ("0,-1,1", ["0"]),
        ("GPU-8932f937,MIG-1a2b", ["GPU-8932f937", "MIG-1a2b"]),
    ],
)
def test_visible_gpus_follow_cuda_visible_devices(value, names):
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": value}) == names


def test_without_the_variable_the_driver_is_asked():
    names = visible_gpus({})
    assert names == [str(index) for index in range(len(names))]


def choose(visible, *, gpu_id=None, nproc=None, device="auto"):
    return choose_devices(gpu_id=gpu_id, nproc=nproc, device=device, visible=visible)


def test_all_visible_gpus_are_the_default():
    devices = choose(["2", "5"])
    assert (devices.count, devices.gpus) == (2, ("2", "5"))
    assert devices.summary == "2 processes on GPU 2, 5"


def test_gpu_id_indexes_the_visible_gpus():
    assert choose(["4", "5", "6"], gpu_id="2,0").gpus == ("6", "4")


def test_without_a_gpu_one_cpu_process_is_said():
    devices = choose([])
    assert (devices.count, devices.gpus, devices.note) == (1, (), "no GPU is visible: computing on the CPU")


@pytest.mark.parametrize(("visible", "device"), [([], "auto"), (["0", "1"], "cpu")])
def test_nproc_counts_cpu_processes_where_no_gpu_is_used(visible, device):
    devices = choose(visible, nproc=3, device=device)
    assert (devices.count, devices.gpus, devices.summary) == (3, (), "3 processes on the CPU")


def test_nproc_takes_the_first_gpus_where_there_are_some():
    assert choose(["4", "5", "6"], nproc=2).gpus == ("4", "5")


@pytest.mark.parametrize(
    ("visible", "arguments", "message"),
    [
        (["0", "1"], {"gpu_id": "0,7"}, "there is no GPU 7; visible on this machine: 0, 1"),
        (["6", "7"], {"gpu_id": "7"}, r"visible on this machine: 0, 1 \(devices 6, 7\)"),
        ([], {"gpu_id": "0"}, "no GPU is visible on this machine"),
        (["0", "1"], {"gpu_id": "0,0"}, "listed twice"),
        (["0", "1"], {"gpu_id": "0;1"}, "numbers separated by commas expected"),
        (["0", "1"], {"gpu_id": ""}, "numbers separated by commas expected"),
        (["0", "1"], {"gpu_id": "-1"}, "numbers separated by commas expected"),
        (["0"], {"gpu_id": "0", "device": "cpu"}, "choose_devices.device is cpu"),
        (["0", "1"], {"gpu_id": "0,1", "nproc": 1}, "names 2 GPUs and --nproc says 1"),
        (["0"], {"nproc": 2}, "--nproc 2: visible on this machine: 0; for CPU processes add choose_devices.device cpu"),
        ([], {"device": "cuda"}, "choose_devices.device is cuda, but no GPU is visible"),
    ],
)
def test_what_is_not_there_is_an_error_that_says_what_is(visible, arguments, message):
    with pytest.raises(DeviceError, match=message):
        choose(visible, **arguments)
