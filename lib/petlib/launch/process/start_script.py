"""Runs a script of a user's repository: python start_script.py ROOT SCRIPT [arguments of the script].

A script that declares ``--local_rank`` is given its number on this machine, as torch's launchers did.
What is wrong in the script's imports becomes one message with the user's file and line, as a mistake in a config does.
"""

import os
import runpy
import sys
import traceback
from pathlib import Path

from petlib.errors import ConfigError
from petlib.launch.process.run_process import RunProcess, run_process
from petlib.launch.start.plan import LAUNCH_FOLDER, LOCAL_RANK_OPTIONS
from petlib.launch.start.resolve import Place, Script
from petlib.user_code import describe_import_error


def start_script(root: Path, script: Path) -> None:
    """Run a script as ``python script`` does.

    Args:
        root: folder that holds the user's modules.
        script: its path; ``sys.argv`` are the arguments that it sees.
    """
    if not sys.flags.safe_path:
        # where Python looks for the neighbours of a script: until here, of this one
        sys.path[0] = str(script.parent)
    declared = Script(script, Place(root, ())).declares
    local_rank = next((option for option in LOCAL_RANK_OPTIONS if declared(option)), None)
    if local_rank is not None:
        sys.argv.append(f"{local_rank}={os.environ.get('LOCAL_RANK', '0')}")
    try:
        runpy.run_path(str(script), run_name="__main__")
    except Exception as error:
        # a run that has begun takes the variable and reports its errors itself
        if LAUNCH_FOLDER not in os.environ or not _came_from_import(error):
            raise
        mistake = ConfigError(describe_import_error(error, root))

        def report(_: RunProcess) -> None:
            raise mistake

        sys.exit(run_process(report))


def _came_from_import(error: Exception) -> bool:
    """Return whether an error ended an import: that of a module within the script, of a name, or of a script that is not Python."""
    modules = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name == "<module>"]
    return isinstance(error, ImportError | SyntaxError) or len(modules) > 1


if __name__ == "__main__":
    folder, *sys.argv = sys.argv[1:]
    start_script(Path(folder), Path(sys.argv[0]))
