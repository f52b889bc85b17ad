"""From a folder of data to a training: what the data are, which model suits them, and a config that says so."""

import math
import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pet.autoconfig.drawn_sets import DRAWN_SETS, drawn_recipe, is_drawn
from pet.autoconfig.facts import DataFacts, look_at
from pet.autoconfig.formats.found import FoundData
from pet.autoconfig.network_name import check_network
from pet.autoconfig.recipes import Task, choose_recipe
from pet.autoconfig.recognise import recognise
from pet.autoconfig.settings import Machine, Recipe, Settings, set_length
from pet.autoconfig.split import divide
from pet.autoconfig.time_budget import iterations_within
from pet.data.loading.open_entry import open_entry
from pet.models.zoo.licences import require_accepted
from pet.task import PACKAGE, check_task_source
from petlib.config import load_cfg, override_layer
from petlib.errors import ConfigError, UserError, name_in_errors
from petlib.files import write_text_atomically
from petlib.launch import launch
from petlib.launch.start.devices import visible_gpus
from petlib.launch.start.resolve import CONFIG_FOLDER, TRAIN_SCRIPT, repository_of
from petlib.launch.start.task_folder import find_task_folder
from petlib.suggest import counted, did_you_mean

RUNS = "ckpts"
NAME = re.compile(r"\w[\w.-]*")
MOST_CLASSES = 6
"""Names of classes that a line shows."""


class Chosen(NamedTuple):
    """A config that was written, or one of an earlier call that is continued.

    Attributes:
        config: its file.
        lines: what was chosen and why, a line each.
    """

    config: Path
    lines: Sequence[str]


class _PlainDumper(yaml.SafeDumper):
    """Writes a value that occurs twice twice, as a person would."""

    def ignore_aliases(self, data: object) -> bool:
        """Return that none is written as a reference."""
        return True


def train_on_data(
    data: str | Path,
    *,
    model: str = "",
    epochs: int | None = None,
    seconds: float | None = None,
    name: str = "",
    overrides: Sequence[str] = (),
    options: Sequence[str] = (),
) -> int:
    """Write a config for the data of a folder, say what was chosen, train with it, and return the exit code.

    Called again with the same arguments it trains with the config that is there, as it was edited, and continues the run.

    Args:
        data: a folder in any format of :data:`pet.autoconfig.recognise.FORMATS`, or a name of
            :data:`pet.autoconfig.drawn_sets.DRAWN_SETS`.
        model: a detector, a backbone (``timm/resnet50``) or a network; empty: one that suits the task and the machine.
        epochs: length of the training; None: a rule of the number of images.
        seconds: the length as a time instead.
        name: of the config and the run; empty: that of the folder.
        overrides: settings in addition, as ``KEY VALUE`` or ``KEY=VALUE``.
        options: of the launcher, e.g. ``("--nproc", "2")``.

    Raises:
        UserError: the data or an argument cannot be used.
    """
    chosen = choose_config(data, model=model, epochs=epochs, seconds=seconds, name=name, overrides=overrides, options=options)
    print("\n".join(chosen.lines), flush=True)
    return launch(
        TRAIN_SCRIPT,
        package=PACKAGE,
        check_task=check_task_source,
        repository=repository_of(PACKAGE),
        argv=["--cfg", str(chosen.config), *options],
    )


def choose_config(
    data: str | Path,
    *,
    model: str = "",
    epochs: int | None = None,
    seconds: float | None = None,
    name: str = "",
    overrides: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Chosen:
    """Write the config of :func:`train_on_data` below ``cfgs`` of the current folder, without training.

    Raises:
        ConfigError: an argument cannot be used, or another config has the name.
        DataError: the data cannot be used.
        OutputError: the files cannot be written.
    """
    if epochs is not None and seconds is not None:
        raise ConfigError("--epochs and --time are both given; the length of a training is one of them")
    for option, given in (("--epochs", epochs), ("--time", seconds)):
        if given is not None and not 0 < given < math.inf:
            raise ConfigError(f"{option}: {given:g} given, more than 0 expected")
    path = Path(data)
    if name and not NAME.fullmatch(name):
        raise ConfigError(f"--name: {name!r} given, a name of letters, digits, '.', '_' and '-' expected, no path")
    name = name or re.sub(r"[^\w.-]+", "_", os.path.normpath(path.absolute()).rpartition(os.sep)[2])
    words = _words(path, model=model, epochs=epochs, seconds=seconds, overrides=overrides)
    earlier = _earlier_config(name, words)
    if earlier is not None:
        return Chosen(
            earlier, [f"config:   {earlier}, which an earlier call wrote: the run is continued, or begun again where it was edited"]
        )
    machine = Machine(gpus=len(visible_gpus()))
    if is_drawn(path):
        recipe, lines = drawn_recipe(name=str(path), model=model, epochs=epochs), [f"data:     {path}, which needs no files"]
    else:
        recipe, lines = _recipe_of_folder(path, name, machine, model, epochs)
    _check_overrides(recipe, overrides)
    for entry in override_layer(list(overrides)).entries:
        _set(recipe.settings, entry.key, entry.value)
    check_network(model, recipe.settings)
    if recipe.published is not None and recipe.settings["TRAIN"].get("WEIGHTS"):
        weights, accepted = recipe.published, recipe.settings["MISC"].get("ACCEPTED_LICENCES", [])
        with name_in_errors({"require_accepted.accepted": "MISC.ACCEPTED_LICENCES"}):
            require_accepted(weights.name, weights.licence, accepted, page=weights.page)
    length = _length(recipe)
    if seconds is not None:
        count, length = iterations_within(seconds, recipe.settings, recipe.type_folder, options)
        set_length(recipe.settings, iterations=count)
    config = _write(name, recipe, words)
    return Chosen(
        config,
        [
            *lines,
            f"task:     {recipe.task}",
            f"model:    {recipe.model}",
            f"training: {length}",
            f"config:   {config}; edit it and run it again with  pet-train --cfg {config}",
        ],
    )


def _recipe_of_folder(path: Path, name: str, machine: Machine, model: str, epochs: int | None) -> tuple[Recipe, list[str]]:
    # os: a name of any length
    if len(path.parts) == 1 and not path.suffix and not os.path.exists(path):  # noqa: PTH110
        folders = [entry.name for entry in Path().iterdir() if entry.is_dir()]
        sets = f"{did_you_mean(str(path), [*folders, *DRAWN_SETS])}; data sets without a folder are {', '.join(DRAWN_SETS)}"
        raise ConfigError(f"--data {path}: there is no such folder{sets}")
    folder, found = recognise(path)
    dataset, _ = open_entry(found.entries["train"], folder)
    facts = look_at(dataset)
    entries, measured = (
        dict(found.entries),
        f"{len(dataset)} images to train on, measured on its own {'val' if 'val' in found.entries else 'test'}",
    )
    task = Task(name, str(folder.absolute()), entries, facts, machine, model=model, epochs=epochs)
    if len(entries) == 1:
        # which task it is does not depend on the division
        lists = Path(RUNS) / choose_recipe(task._replace(entries={**entries, "val": entries["train"]})).type_folder / name / "split"
        entries, training, measured = divide(dataset, entries["train"], folder, lists)
        facts = look_at(training)
        task = task._replace(entries=entries, facts=facts)
    return choose_recipe(task), [f"data:     {_described(folder, found, facts)}; {measured}"]


def _described(folder: Path, found: FoundData, facts: DataFacts) -> str:
    more = f" and {len(facts.classes) - MOST_CLASSES} more" if len(facts.classes) > MOST_CLASSES else ""
    return f"{folder}: {found.format} ({found.evidence}), classes {', '.join(facts.classes[:MOST_CLASSES])}{more}"


def _length(recipe: Recipe) -> str:
    solver, train = recipe.settings["SOLVER"], recipe.settings["TRAIN"]
    scheduler = solver["SCHEDULER"]
    epochs = scheduler.get("TOTAL_EPOCHS")
    length = counted(epochs, "epoch") if epochs else counted(scheduler["TOTAL_ITERS"], "iteration")
    rate, scales = solver["OPTIMIZER"]["BASE_LR"], train.get("RESIZE", {}).get("SCALES", [])
    edges = f" with an edge of {scales[0]} pixels" if scales else ""
    text = f"{length}, {counted(train['BATCH_SIZE'], 'image')} an iteration{edges}, learning rate {rate:g}"
    return ", ".join([text, *_of_gpus(recipe.settings)])


def _of_gpus(settings: Settings) -> Iterator[str]:
    """Yield what the settings leave to the GPU to choose."""
    if settings["SOLVER"].get("AMP", {}).get("ENABLED") == "auto":
        yield "mixed precision"
        yield {"auto": "compiled from 10,000 iterations on", "never": "not compiled"}.get(
            settings.get("MISC", {}).get("COMPILE", "never"), "compiled"
        )


def _words(path: Path, *, model: str, epochs: int | None, seconds: float | None, overrides: Sequence[str]) -> str:
    """Return the command that a config begins with, by which a later call knows it."""
    given = {"--model": model, "--epochs": epochs, "--time": None if seconds is None else f"{seconds:g}s"}
    options = [word for option, value in given.items() if value for word in (option, str(value))]
    return shlex.join(["pet-train", "--data", str(path), *options, *overrides])


def _earlier_config(name: str, words: str) -> Path | None:
    """Return the config of this name that the same command wrote.

    Raises:
        ConfigError: another command wrote it, or a person.
    """
    for file in sorted(Path(CONFIG_FOLDER).rglob(f"{name}.yaml")) if Path(CONFIG_FOLDER).is_dir() else []:
        if file.read_text(encoding="utf-8").startswith(f"# {words}\n"):
            return file
        raise ConfigError(
            f"{file} is there, and another command wrote it; train it with  pet-train --cfg {file}, remove it, or give another --name"
        )
    return None


def _set(settings: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        settings = settings.setdefault(section, {})
    settings[last] = value


def _check_overrides(recipe: Recipe, overrides: Sequence[str]) -> None:
    """Check settings before they are part of the config: a mistake is one of the command line, and no time is measured with it.

    Raises:
        ConfigError: one is wrong.
    """
    if overrides:
        with tempfile.TemporaryDirectory(prefix="pet-config-") as folder:
            config = Path(folder, CONFIG_FOLDER, recipe.type_folder, "chosen.yaml")
            write_text_atomically(config, yaml.safe_dump(recipe.settings, allow_unicode=True))
            load_cfg(find_task_folder(config, PACKAGE).config, config, overrides)


def _write(name: str, recipe: Recipe, words: str) -> Path:
    """Write the config and check it; one that is refused is taken away."""
    config = Path(CONFIG_FOLDER, recipe.type_folder, f"{name}.yaml")
    text = yaml.dump(recipe.settings, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=140)
    head = (
        f"# {words}\n# Written by this command. Change what you like, then: pet-train --cfg {config}\n# {recipe.task}\n# {recipe.model}\n"
    )
    config.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(config, head + text)
    try:
        load_cfg(find_task_folder(config, PACKAGE).config, config)
    except UserError:
        config.unlink()
        raise
    return config
