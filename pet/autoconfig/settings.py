"""The settings that every recipe has, from simple rules of the data and the machine. docs/first_hour.md states them."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pet.autoconfig.facts import DataFacts
from pet.autoconfig.formats.found import Entry
from pet.models.zoo.sources import PublishedWeights

Settings = dict[str, Any]
EDGE_STEP, LEAST_EDGE = 32, 64
"""Image sizes are multiples of the first, as networks halve five times, and at least the second."""
LEAST_BATCHES = 4
"""An epoch has at least so many, so small data get small batches."""
EVALUATIONS = 5
WARM_UP_SHARE, LONGEST_WARM_UP = 0.05, 100
FEWEST_EPOCHS, MOST_EPOCHS = 10, 100
NORMALIZE = "Normalize"


class Machine(NamedTuple):
    """What a training runs on: the number of GPUs, and of processor cores."""

    gpus: int
    cores: int = os.cpu_count() or 1

    def choose(self, *, gpu: int, cpu: int) -> int:
        """Return one of two numbers."""
        return gpu if self.gpus else cpu

    @property
    def loader_workers(self) -> int:
        """How many processes prepare images next to each training process: a few of the cores."""
        return min(8, self.cores // (2 * max(1, self.gpus)))


class Recipe(NamedTuple):
    """A config to write.

    Attributes:
        type_folder: folder of the task below ``cfgs``, e.g. ``tasks/cls``.
        settings: the config.
        task: the task and the reason for it, for people.
        model: likewise the model.
        published: the weights that its training begins with; None: random ones, or those of a config.
    """

    type_folder: str
    settings: Settings
    task: str
    model: str
    published: PublishedWeights | None = None


def image_edge(facts: DataFacts, most: int) -> int:
    """Return the edge of training images: the median of the shorter edges as a multiple of 32, within bounds."""
    return min(most, max(LEAST_EDGE, math.ceil(min(facts.size) / EDGE_STEP) * EDGE_STEP))


def batch_size(facts: DataFacts, machine: Machine, per_device: int) -> int:
    """Return the images of an iteration on all devices: a power of two a device, so that an epoch has at least four."""
    devices = max(1, machine.gpus)
    most = max(1, facts.num_images // (LEAST_BATCHES * devices))
    own = min(per_device, 1 << (most.bit_length() - 1))
    return max(own * devices, min(2, facts.num_images))


def training_length(facts: DataFacts, batch: int, iterations: int) -> int:
    """Return the epochs that have about so many iterations, from 10 to 100."""
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(iterations * batch / facts.num_images)))


def scaled_rate(rate: float, batch: int, usual: int) -> float:
    """Return the learning rate of a batch, from that of the usual one by the square root, with two digits."""
    return float(f"{rate * math.sqrt(batch / usual):.2g}")


def base_settings(
    entries: Mapping[str, Entry],
    facts: DataFacts,
    machine: Machine,
    *,
    name: str,
    data_root: str,
    batch: int,
    rate: float,
    epochs: int,
    weights: str,
) -> Settings:
    """Return what all recipes have in common: data, optimizer, length, sizes of batches.

    Args:
        entries: part of the data -> entry of the catalogue.
        facts: of the training data.
        machine: what it runs on.
        name: of the data, in the catalogue.
        data_root: the folder that the paths of the entries start from.
        batch: images of an iteration.
        rate: the learning rate.
        epochs: length of the training.
        weights: ``timm``, or empty for random ones.
    """
    measured = next(part for part in ("val", "test") if part in entries)
    settings: Settings = {
        "MISC": {"DATA_ROOT": data_root},
        "DATA": {"CATALOG": {f"{name}_{part}": entry for part, entry in entries.items()}, "CLASSES": list(facts.classes)},
        "MODEL": {},
        "SOLVER": {
            "OPTIMIZER": {"NAME": "AdamW", "BASE_LR": rate, "WEIGHT_DECAY": 0.05},
            "SCHEDULER": {"NAME": "cosine"},
            **({"AMP": {"ENABLED": "auto"}} if machine.gpus else {}),
        },
        "TRAIN": {
            "DATASETS": [f"{name}_train"],
            "WEIGHTS": weights,
            "BATCH_SIZE": batch,
            # with several GPUs gradients would no longer be exchanged during the backward pass
            **({"MICRO_BATCH": "auto"} if machine.gpus == 1 else {}),
            "NUM_WORKERS": machine.loader_workers,
        },
        "TEST": {
            "DATASETS": [f"{name}_{measured}"],
            "IMS_PER_GPU": max(1, batch // max(1, machine.gpus)),
            "NUM_WORKERS": machine.loader_workers,
        },
        "EVAL": {},
    }
    set_length(settings, epochs=epochs, iterations=math.ceil(facts.num_images / batch) * epochs)
    return settings


def set_one_size(settings: Settings, machine: Machine) -> None:
    """Set what pays where all training images are of one size: a GPU compiles the network for it, in long trainings."""
    if machine.gpus:
        settings["MISC"]["COMPILE"] = "auto"


def set_length(settings: Settings, *, iterations: int, epochs: int = 0) -> None:
    """Set the length of a training, with its warm-up, evaluations and checkpoints.

    Args:
        settings: the config, which is changed.
        iterations: of the whole training.
        epochs: the length in epochs, which counts then; 0: it is ``iterations``.
    """
    solver, evaluations = settings["SOLVER"], settings.setdefault("EVAL", {})
    unit, length = ("EPOCH", epochs) if epochs else ("ITER", iterations)
    scheduler = solver["SCHEDULER"]
    for key in ("TOTAL_EPOCHS", "TOTAL_ITERS", "WARM_UP_EPOCHS", "WARM_UP_ITERS"):
        scheduler.pop(key, None)
    for section, key in ((solver, "SNAPSHOT"), (evaluations, "PERIOD")):
        section.pop(f"{key}_EPOCH", None)
        section.pop(f"{key}_ITER", None)
        section[f"{key}_{unit}"] = math.ceil(length / EVALUATIONS)
    scheduler[f"TOTAL_{unit}S"] = length
    scheduler["WARM_UP_ITERS"] = min(LONGEST_WARM_UP, int(WARM_UP_SHARE * iterations))


def set_transforms(settings: Settings, edge: int, train: Sequence[Any], test: Sequence[Any], *, normalize: Any = NORMALIZE) -> None:
    """Set the size of images and how they are prepared; both end with the normalisation."""
    for section, transforms in (("TRAIN", train), ("TEST", test)):
        settings[section]["RESIZE"] = {"SCALES": [edge]}
        settings[section]["TRANSFORMS"] = [*transforms, normalize]
