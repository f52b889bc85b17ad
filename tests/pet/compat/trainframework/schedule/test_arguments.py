from pathlib import Path

import pytest

from pet.compat.trainframework.schedule.scheduler import TrainArguments, parse_arguments


def test_the_documents_command_line() -> None:
    assert parse_arguments(["--config-file", "train.py", "--num-gpus", "1"]) == TrainArguments(Path("train.py"), [], num_gpus=1)


def test_several_machines_meet_at_a_url() -> None:
    words = ["--distribute", "--num-machines", "2", "--machine-rank", "1", "--dist-url", "tcp://node0:29500", "--config-file", "x.py"]
    expected = TrainArguments(Path("x.py"), ["trainer.parallel=ddp"], num_machines=2, machine_rank=1, endpoint="node0:29500")
    assert parse_arguments(words) == expected
    assert parse_arguments(["--config-file", "x.py", "--dist-url", "auto"]) == TrainArguments(Path("x.py"), [])


def test_options_may_be_between_overrides() -> None:
    parsed = parse_arguments(["solver.max_iter=3", "--resume", "--config-file", "x.yaml", "output_dir", "out", "--nproc=2"])
    assert parsed == TrainArguments(Path("x.yaml"), ["solver.max_iter=3", "output_dir", "out"], nproc=2, resume=True)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "--config-file"),
        (["--config-file", "x.py", "--num-gpu", "1"], "unknown option --num-gpu; did you mean --num-gpus"),
        (["--config-file", "x.py", "--num-machines", "2"], "--num-machines 2 needs --dist-url tcp://HOST:PORT"),
        (["--config-file", "x.py", "--machine-rank", "1"], "--machine-rank 1: machines are numbered from 0 to 0"),
        (["--config-file", "x.py", "--dist-url", "node0"], "'node0' given, tcp://HOST:PORT or auto expected"),
        (["--config-file", "x.py", "--num-gpus", "all"], "'all' given, a whole number expected"),
    ],
)
def test_a_wrong_command_line_is_reported(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_arguments(argv)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
