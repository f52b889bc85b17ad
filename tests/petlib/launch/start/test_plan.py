import socket
import sys
from pathlib import Path

from petlib.launch.start.arguments import LaunchArguments
from petlib.launch.start.devices import Devices
from petlib.launch.start.plan import Meeting, listening_socket, plan_ranks, rank_command
from petlib.launch.start.resolve import Place, Script

MEETING = Meeting(port="4567", descriptor="9", launcher_pid="123", folder="/tmp/launch")


def plans(devices, environment=None):
    return plan_ranks(("python", "x.py"), devices, MEETING, {} if environment is None else environment)


def test_each_rank_knows_its_number_and_the_meeting_point():
    first, second = plans(Devices(2))
    assert [first.environment["RANK"], second.environment["RANK"]] == ["0", "1"]
    assert second.environment["LOCAL_RANK"] == "1"
    for plan in (first, second):
        wanted = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "4567"}
        assert wanted.items() <= plan.environment.items()
        assert plan.environment["PET_LAUNCHER_PID"] == "123"
        assert plan.environment["CUDA_VISIBLE_DEVICES"] == ""
    assert first.environment["PET_STORE_FD"] == "9"
    assert "PET_STORE_FD" not in second.environment


def test_all_ranks_see_all_chosen_gpus():
    environments = [plan.environment for plan in plans(Devices(2, ("3", "1")), {"CUDA_VISIBLE_DEVICES": "1,3"})]
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in environments] == ["3,1", "3,1"]
    assert "CUDA_DEVICE_ORDER" not in environments[0]


def test_numbers_counted_by_the_driver_mean_its_order():
    assert plans(Devices(1, ("0",)))[0].environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert "CUDA_DEVICE_ORDER" not in plans(Devices(1, ("0",)), {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"})[0].environment


def test_cores_are_shared_out_unless_threads_are_given(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(10)), raising=False)
    assert plans(Devices(4))[0].environment["OMP_NUM_THREADS"] == "2"
    assert plans(Devices(16))[0].environment["OMP_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in plans(Devices(4), {"OMP_NUM_THREADS": "5"})[0].environment
    assert plans(Devices(4), {"OMP_NUM_THREADS": "5"})[0].environment["GOMP_SPINCOUNT"] == "10000"
    assert "GOMP_SPINCOUNT" not in plans(Devices(4), {"OMP_WAIT_POLICY": "ACTIVE"})[0].environment


def test_a_given_gloo_interface_stays():
    assert "GLOO_SOCKET_IFNAME" not in plans(Devices(2), {"GLOO_SOCKET_IFNAME": "eth7"})[0].environment


def write_script(root, text=""):
    path = root / "train_net.py"
    path.write_text(text)
    return Script(path, Place(root, ("toy",)))


def test_the_command_hands_on_config_overrides_and_options_of_the_script(tmp_path):
    arguments = LaunchArguments(Path("cfgs/a b.yaml"), ["MISC.SEED", "-1"], gpu_id="1", script_options=["--vis"])
    script = write_script(tmp_path)
    wanted = (sys.executable, "-u", str(script.path), "--cfg", "cfgs/a b.yaml", "MISC.SEED", "-1", "--vis")
    assert rank_command(script, arguments) == wanted


def test_a_script_gets_the_options_of_the_launcher_that_it_declares(tmp_path):
    arguments = LaunchArguments(Path("x.yaml"), ["A", "1"], gpu_id="0,1")
    _, _, starter, root, *rest = rank_command(write_script(tmp_path, "add('--gpu_id', '--local_rank')"), arguments)
    assert (Path(starter).name, root) == ("start_script.py", str(tmp_path))
    assert rest[1:] == ["--cfg", "x.yaml", "--gpu_id", "0,1", "A", "1"]


def test_the_script_of_a_user_is_started_so_that_mistakes_in_its_imports_are_reported(tmp_path):
    script, arguments = write_script(tmp_path), LaunchArguments(Path("x.yaml"), [])
    python, _, starter, root, *rest = rank_command(script, arguments, Path("/own"))
    assert (python, Path(starter).name, root) == (sys.executable, "start_script.py", "/own")
    assert Path(starter).is_file()
    assert rest == [str(script.path), "--cfg", "x.yaml"]


def test_the_socket_of_the_store_listens_on_the_loopback_address():
    with listening_socket() as listener:
        address, port = listener.getsockname()
        assert address == "127.0.0.1"
        with socket.create_connection((address, port), timeout=5) as client:
            assert client.getpeername() == (address, port)
