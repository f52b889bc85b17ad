"""Published weights as state dicts: of timm's and torchvision's networks, torchvision's detectors and clips, and of transformers."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor

from pet.models.classifiers import LIBRARIES, find_classifier
from pet.models.detr.published import is_transformers_folder, read_transformers_folder, repository_of
from pet.models.video.build import is_video_network
from pet.models.zoo.licences import require_accepted
from pet.models.zoo.sources import HUGGINGFACE, PublishedWeights, repository_weights, timm_weights, torchvision_weights, writable_store
from pet.typed import AnyConfig
from petlib.checkpoint.origin import Origin
from petlib.distributed.collectives import broadcast_object
from petlib.distributed.process_group import is_main_process
from petlib.errors import CheckpointError, ConfigError
from petlib.suggest import did_you_mean

DETECTOR_PREFIX = "torchvision/"

logger = logging.getLogger(__name__)


class Published(NamedTuple):
    """Published weights, and what reads their files.

    Attributes:
        weights: where they come from, and their licence.
        read: makes a state dict of the files.
    """

    weights: PublishedWeights
    read: Callable[[Sequence[Path]], dict[str, Tensor]]

    @property
    def origin(self) -> Origin:
        """What a training begins with that takes them."""
        return Origin(self.weights.name, self.weights.licence)

    def state(self, accepted: Sequence[str]) -> dict[str, Tensor]:
        """Return the weights; the main process fetches them and gives them to the others, an error reaches all of them.

        Args:
            accepted: licences that the user accepts.

        Raises:
            CheckpointError: they are neither on this machine nor to be had over the network, or damaged.
            ConfigError: their licence has to be accepted, or a library is not installed.
        """
        require_accepted(self.weights.name, self.weights.licence, accepted, page=self.weights.page)
        outcome: dict[str, Tensor] | CheckpointError | ConfigError | None = None
        if is_main_process():
            logger.info("the weights %s are licensed under %s", self.weights.name, self.weights.licence)
            try:
                outcome = self.read(self.weights.fetch())
            except (CheckpointError, ConfigError) as error:
                outcome = error
            except OSError as error:
                outcome = CheckpointError(f"the published weights {self.weights.name} cannot be had: {error}")
        outcome = broadcast_object(outcome)
        if isinstance(outcome, Exception):
            raise outcome
        assert outcome is not None, "the main process sends weights or an error"
        return outcome


def find_published(source: str, cfg: AnyConfig, *, backbone: str = "") -> Published | None:
    """Return the published weights that ``TRAIN.WEIGHTS`` or ``TEST.WEIGHTS`` means; None: a checkpoint or another file.

    Args:
        source: ``timm``, ``torchvision`` or ``huggingface`` for those of the network of the config; ``torchvision/NAME`` for a detector,
            ``huggingface/OWNER/NAME``, or a folder with the files of such a repository.
        cfg: the config.
        backbone: name of the network that the libraries publish weights for.

    Raises:
        CheckpointError: there are no such weights.
        ConfigError: weights of a library that the network does not come from.
    """
    if source in LIBRARIES:
        return classifier(backbone, library=source)
    num_classes = cfg.MODEL.NUM_CLASSES if "NUM_CLASSES" in cfg.MODEL else 0
    if source == HUGGINGFACE.rstrip("/"):
        return _of_transformers(repository_weights(repository_of(cfg)), num_classes)
    if Path(source).exists():
        return _in_folder(Path(source), num_classes) if is_transformers_folder(Path(source)) else None
    if source.startswith(HUGGINGFACE):
        return _of_transformers(repository_weights(source.removeprefix(HUGGINGFACE)), num_classes)
    return detector(source.removeprefix(DETECTOR_PREFIX)) if source.startswith(DETECTOR_PREFIX) else None


def classifier(name: str, *, library: str) -> Published:
    """Return the weights that ``library`` publishes for a network: those of the tag in timm's name, else its default ones.

    Of torchvision its networks of clips too.

    Raises:
        CheckpointError: there are none.
        ConfigError: the network does not come from that library.
    """
    if library == "torchvision" and is_video_network(name):
        return Published(torchvision_weights(name.removeprefix(DETECTOR_PREFIX)), _read_file)
    found, own_name = find_classifier(name)
    if found != library:
        raise ConfigError(
            f"classifier.library: {library}: the network {name} is {'of ' + found if found else 'not from a library'}; "
            f"name it as classifier.name {library}/NAME, or give a file"
        )
    if library == "timm":
        return Published(timm_weights(own_name), lambda files: _read_timm(own_name, files[0]))
    if own_name in ("googlenet", "inception_v3"):
        logger.warning("%s was trained with construct.args {transform_input: True}; without it the colours differ", own_name)
    return Published(torchvision_weights(own_name), _read_file)


def detector(name: str) -> Published:
    """Return the weights that torchvision publishes for one of its detectors, e.g. ``fasterrcnn_resnet50_fpn``.

    Raises:
        CheckpointError: there are none.
    """
    from torchvision import models  # slow to import, and only needed for its weights

    names = models.list_models(module=models.detection)
    if name not in names:
        raise CheckpointError(
            f"{DETECTOR_PREFIX}{name}: torchvision has no such detector{did_you_mean(name, names)}\n  it has {', '.join(names)}"
        )
    return Published(torchvision_weights(name), _read_file)


def _of_transformers(weights: PublishedWeights, num_classes: int) -> Published:
    return Published(weights, lambda files: read_transformers_folder(files[0].parent, num_classes=num_classes))


def _in_folder(folder: Path, num_classes: int) -> Published:
    """Return the weights of a folder, which are all there; where it lies in the store its name says whose they are."""
    path, store = folder.absolute(), writable_store().absolute()
    weights = repository_weights(path.relative_to(store).as_posix() if path.is_relative_to(store) else "")
    return Published(weights._replace(name=str(folder), files=()), lambda _: read_transformers_folder(folder, num_classes=num_classes))


def _read_file(files: Sequence[Path]) -> dict[str, Tensor]:
    return cast("dict[str, Tensor]", torch.load(files[0], map_location="cpu", weights_only=True))


def _read_timm(name: str, file: Path) -> dict[str, Tensor]:
    import timm  # slow to import, and only needed for its weights

    # files of the hub are timm's own, also where the authors' have to be converted
    network = timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"file": str(file), "custom_load": False})
    return cast("dict[str, Tensor]", network.state_dict())
