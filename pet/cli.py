"""The commands, a function each: the installed ones, ``pet-train`` and the others, and those of ``tools/data``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from pet import commands, data
from pet.task import PACKAGE, check_task_source
from pet.templates.new_project import main as write_new_project
from petlib.config import CfgNode
from petlib.launch import call_own_script, launch
from petlib.launch.process.tool import reports_interrupt
from petlib.launch.start.arguments import OtherForm
from petlib.launch.start.main import read_launch
from petlib.launch.start.resolve import repository_of

ON_DATA = OtherForm(
    "--data FOLDER [--model NAME] [--epochs N | --time 10m] [--name NAME] [KEY VALUE ...]",
    ("--data", "--model", "--epochs", "--time", "--name"),
)
ON_CLUSTER = OtherForm(
    "--cfg PATH --on slurm[:PARTITION] | ray[:ADDRESS] | local [--nodes N] ...", ("--on", "--nodes", "--gpus_per_node", "--cpus_per_node")
)
"""The forms of the commands that are recognised by their first option, so that the launcher names their options."""

COMMANDS = Path(__file__).parent / "commands"
REPOSITORY = repository_of(PACKAGE)
"""Has the configs and training scripts of Pet's tasks: its own tree (``pip install -e``), or what an installed Pet has of it."""


@reports_interrupt
def train(repository: Path | None = REPOSITORY) -> int:
    """Train with the config or on the data of the command line, see :mod:`pet.commands.train_on_data`, and return the exit code.

    Args:
        repository: root of the scripts that train Pet's own tasks, where ``--type`` looks last.
    """
    if _is_given("--on"):
        return commands.submit.main("train", lambda words: _planned(words, "train_net.py", repository))
    if _is_given("--data"):
        return commands.train_on_data.main()
    return launch(
        "train_net.py",
        package=PACKAGE,
        check_task=check_task_source,
        check_components=_check_components,
        repository=repository,
        other_forms=(ON_DATA, ON_CLUSTER),
    )


@reports_interrupt
def test(repository: Path | None = REPOSITORY) -> int:
    """Test a trained model with the config of the command line and return the exit code; see :func:`train`.

    A task may have a ``tools/<type>/<...>/test_net.py`` of its own; else one script serves all.
    """
    own = COMMANDS / "test_net.py"
    if _is_given("--on"):
        return commands.submit.main("test", lambda words: _planned(words, "test_net.py", repository, own))
    return launch(
        "test_net.py",
        package=PACKAGE,
        check_task=check_task_source,
        check_components=_check_components,
        script_of_all_tasks=own,
        repository=repository,
        other_forms=(ON_CLUSTER,),
    )


def _is_given(option: str) -> bool:
    return any(word.partition("=")[0] == option for word in sys.argv[1:])


def _planned(words: Sequence[str], script_name: str, repository: Path | None, script_of_all_tasks: Path | None = None) -> CfgNode | None:
    """Return the checked config of a command that another machine is to run; None: the script alone knows its settings."""
    return read_launch(
        words,
        script_name,
        package=PACKAGE,
        check_task=check_task_source,
        script_of_all_tasks=script_of_all_tasks,
        repository=repository,
    ).cfg


def _check_components(cfg: CfgNode) -> None:
    """Check the transforms that a config names; the first use of ``data`` imports torch, which a launch does without."""
    data.check_transforms(cfg)


@reports_interrupt
def export(repository: Path | None = REPOSITORY) -> int:
    """Export a trained model with the config of the command line and return the exit code; see :func:`test`."""
    if _is_given("--on"):
        return commands.submit.main("export", commands.export_net.read_config)
    code = call_own_script("export_net.py", package=PACKAGE, repository=repository)
    if code is None:
        commands.export_net.main()
    return code


@reports_interrupt
def inference() -> NoReturn:
    """Predict images, videos and GeoTIFFs, see :mod:`pet.commands.inference`, and exit."""
    commands.inference.main()


@reports_interrupt
def check() -> NoReturn:
    """Look at every sample of a config's data sets, see :mod:`pet.commands.check`, and exit."""
    commands.check.main()


@reports_interrupt
def browse() -> NoReturn:
    """Draw what a model sees of its data, see :mod:`pet.commands.browse`, and exit."""
    commands.browse.main()


@reports_interrupt
def pack() -> NoReturn:
    """Write a data set into shards, see :mod:`pet.commands.pack`, and exit."""
    commands.pack.main()


@reports_interrupt
def label() -> NoReturn:
    """List labels to fix and images to label, see :mod:`pet.commands.label`, and exit."""
    commands.label.main()


@reports_interrupt
def new() -> NoReturn:
    """Write a project of a template, see :mod:`pet.templates.new_project`, and exit."""
    write_new_project()


@reports_interrupt
def configs() -> NoReturn:
    """List the configs that come with Pet, see :mod:`pet.commands.configs`, and exit."""
    commands.configs.main()


@reports_interrupt
def models() -> NoReturn:
    """List published weights and download them, see :mod:`pet.commands.models`, and exit."""
    commands.models.main()


@reports_interrupt
def doctor() -> NoReturn:
    """Say what this installation can do, see :mod:`pet.commands.doctor`, and exit."""
    commands.doctor.main()


@reports_interrupt
def report() -> NoReturn:
    """Write the page of runs, see :mod:`pet.commands.report`, and exit."""
    commands.report.main()


@reports_interrupt
def view() -> NoReturn:
    """Serve the page of a run while it trains, see :mod:`pet.commands.view`, and exit."""
    commands.view.main()


@reports_interrupt
def search() -> int:
    """Search for settings, see :mod:`pet.commands.search`, and return the exit code."""
    return commands.search.main()


@reports_interrupt
def jobs() -> NoReturn:
    """List, follow, stop and fetch jobs on clusters, see :mod:`pet.commands.jobs`, and exit."""
    commands.jobs.main()


@reports_interrupt
def align_faces() -> NoReturn:
    """Cut faces out of photographs by their points, see :mod:`pet.commands.align_faces`, and exit."""
    commands.align_faces.main()


@reports_interrupt
def convert() -> NoReturn:
    """Write a data set in another format, see :mod:`pet.commands.convert`, and exit."""
    commands.convert.main()


@reports_interrupt
def convert_surface() -> NoReturn:
    """Make the mesh of DensePose-COCO, see :mod:`pet.commands.convert_surface`, and exit."""
    commands.convert_surface.main()


@reports_interrupt
def evaluate_tracks() -> NoReturn:
    """Measure tracks, see :mod:`pet.commands.evaluate_tracks`, and exit."""
    commands.evaluate_tracks.main()


@reports_interrupt
def identity_pairs() -> NoReturn:
    """Make lists for face recognition, see :mod:`pet.commands.identity_pairs`, and exit."""
    commands.identity_pairs.main()


@reports_interrupt
def split() -> NoReturn:
    """Divide a data set into training and validation, see :mod:`pet.commands.split`, and exit."""
    commands.split.main()
