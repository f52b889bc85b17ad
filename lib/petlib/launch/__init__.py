"""Starts the processes of a run and stays with them. Imports no torch."""

from petlib.launch.process.run_process import RunProcess, run_process
from petlib.launch.process.script import run_script
from petlib.launch.process.tool import run_tool, run_tool_of_config
from petlib.launch.start.main import launch

__all__ = ["RunProcess", "launch", "run_process", "run_script", "run_tool", "run_tool_of_config"]
