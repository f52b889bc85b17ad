"""Starts the processes of a run and stays with them. Imports no torch."""

from petlib.launch.main import launch
from petlib.launch.script import run_script
from petlib.launch.tool import run_tool, run_tool_of_config

__all__ = ["launch", "run_script", "run_tool", "run_tool_of_config"]
