from pathlib import Path

import pytest

from pet.compat.trainframework.schedule.scheduler import TrainArguments, parse_arguments


def test_the_documents_command_line() -> None:
    assert parse_arguments(["--config-file", "train.py", "--num-gpus", "1"]) == TrainArguments(Path("train.py"), [], num_gpus=1)


def test_options_may_be_between_overrides() -> None:
    parsed = parse_arguments(["solver.max_iter=3", "--resume", "--config-file", "x.yaml", "output_dir", "out", "--nproc=2"])
    assert parsed == TrainArguments(Path("x.yaml"), ["solver.max_iter=3", "output_dir", "out"], nproc=2, resume=True)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "--config-file"),
        (["--config-file", "x.py", "--num-gpu", "1"], "unknown option --num-gpu; did you mean --num-gpus"),
        (["--config-file", "x.py", "--num-gpus", "all"], "'all' given, a whole number expected"),
    ],
)
def test_a_wrong_command_line_is_reported(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_arguments(argv)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
