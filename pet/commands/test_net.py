"""Tests a trained model of any task; the last line is the result. The launcher runs this file, one process for each device."""

from typing import NoReturn

from pet import api, models
from pet.task import PACKAGE, find_task
from pet.typed import PetConfig
from petlib import engine
from petlib.launch import run_script_of_all_tasks
from petlib.launch.start.arguments import ScriptArguments


def test(cfg: PetConfig, arguments: ScriptArguments) -> None:
    """Measure the model of ``MISC.CKPT`` or ``TEST.WEIGHTS`` on ``TEST.DATASETS``; results go to ``MISC.CKPT/test``."""
    task = find_task(arguments.cfg, type_folder=arguments.type_folder)
    with engine.open_run(cfg, record=engine.TEST_RECORD) as device:
        api.test_model(task, cfg, device)


def main() -> NoReturn:
    """Read the command line, test, and exit. Without trained weights nothing is written into a folder whose name may be misspelt."""
    run_script_of_all_tasks(test, package=PACKAGE, check=models.find_test_weights)


if __name__ == "__main__":
    main()
