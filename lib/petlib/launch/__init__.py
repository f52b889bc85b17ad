"""Starts the processes of a run and stays with them. Imports no torch."""

from petlib.launch.process.run_process import RunProcess, run_process, run_script, run_script_of_all_tasks
from petlib.launch.process.tool import call_own_script, run_tool
from petlib.launch.start.main import launch

__all__ = ["RunProcess", "call_own_script", "launch", "run_process", "run_script", "run_script_of_all_tasks", "run_tool"]
