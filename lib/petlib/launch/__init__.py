"""Starts the processes of a run and stays with them. Imports no torch."""

from petlib.launch.main import launch
from petlib.launch.run_process import RunProcess, run_process
from petlib.launch.script import run_script
from petlib.launch.tool import run_tool, run_tool_of_config

__all__ = ["RunProcess", "launch", "run_process", "run_script", "run_tool", "run_tool_of_config"]
