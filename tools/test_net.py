"""Tests a trained model of any task: python tools/test_net.py --cfg PATH, alone or below torchrun; test_net_all.py starts all processes."""

from pet.commands.test_net import test
from pet.task import PACKAGE
from petlib.launch import run_script_of_all_tasks

if __name__ == "__main__":
    run_script_of_all_tasks(test, package=PACKAGE)
