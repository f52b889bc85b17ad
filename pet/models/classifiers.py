"""Classification networks by name: Pet's own table, timm and torchvision."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from pet.typed import PetConfig, VisionConfig
from petlib.config import keys_in_errors
from petlib.distributed.process_group import choose_device, world_size
from petlib.errors import ConfigError
from petlib.registry import Registry
from petlib.suggest import did_you_mean, nearest_names

CLASSIFIERS = Registry(
    "network",
    {
        "resnet9": "pet.models.cifar_resnet:CifarResNet9",
        "resnet20": "pet.models.cifar_resnet:resnet20",
        "resnet32": "pet.models.cifar_resnet:resnet32",
        "resnet44": "pet.models.cifar_resnet:resnet44",
        "resnet56": "pet.models.cifar_resnet:resnet56",
        "resnet110": "pet.models.cifar_resnet:resnet110",
        "resnet18_cifar": "pet.models.cifar_resnet:resnet18_cifar",
        "resnext29_8x64d": "pet.models.cifar_resnet:resnext29_8x64d",
        "iresnet18": "pet.models.face.iresnet:iresnet18",
        "iresnet34": "pet.models.face.iresnet:iresnet34",
        "iresnet50": "pet.models.face.iresnet:iresnet50",
        "iresnet100": "pet.models.face.iresnet:iresnet100",
        "iresnet200": "pet.models.face.iresnet:iresnet200",
        "mobilefacenet": "pet.models.face.mobilefacenet:MobileFaceNet",
    },
)

LIBRARIES = ("timm", "torchvision")


def build_classifier(name: str, *, num_classes: int, args: Mapping[str, Any] | None = None) -> nn.Module:
    """Return a network with random weights that turns float images (B, 3, H, W) into logits (B, num_classes).

    Args:
        name: a name of Pet's own table (or one that user code registered in :data:`CLASSIFIERS`), ``timm/NAME``,
            ``torchvision/NAME``, or a bare name, which is looked up in timm before torchvision.
        num_classes: length of the logits.
        args: further arguments of the network, by its own names.

    Raises:
        ConfigError: there is no such network (with the nearest names of all tables), or it does not take ``args``.
    """
    library, own_name = find_classifier(name)
    args = dict(args or {})
    if library == "timm":
        import timm  # slow to import, and Pet's own networks do without

        return construct(name, timm.create_model, {"model_name": own_name, "pretrained": False, "num_classes": num_classes}, args)
    if library == "torchvision":
        from torchvision import models  # slow to import, and Pet's own networks do without

        fixed = {"weights": None, "num_classes": num_classes, **_without_auxiliary_classifiers(own_name)}
        return construct(name, models.get_model_builder(own_name), fixed, args)
    return construct(name, CLASSIFIERS.get(own_name), {"num_classes": num_classes}, args)


def find_classifier(name: str) -> tuple[str, str]:
    """Return the library that a network comes from (``"timm"``, ``"torchvision"``, ``""`` for Pet's own) and its name there.

    Raises:
        ConfigError: there is no such network; the message gives the nearest names of all tables.
    """
    if name in CLASSIFIERS:
        return "", name
    prefix, slash, rest = name.partition("/")
    if slash and prefix not in LIBRARIES:
        hint = did_you_mean(prefix, LIBRARIES)
        raise ConfigError(f"find_classifier.name: {name!r}: networks come from {' or '.join(LIBRARIES)}, not from {prefix!r}{hint}")
    for library in (prefix,) if slash else LIBRARIES:
        own_name = rest if slash else name
        if own_name in _library_names(library, tagged="." in own_name):
            return library, own_name
    raise ConfigError(_unknown(name))


def _unknown(name: str) -> str:
    own = CLASSIFIERS.names()
    tables = {library: _library_names(library, tagged=False) for library in LIBRARIES}
    if "." in name:
        tables["timm"] += _library_names("timm", tagged=True)
    # By the name alone, so that a common prefix does not make everything similar; Pet's own first
    shown = {one: f"{library}/{one}" for library in reversed(LIBRARIES) for one in tables[library]} | {one: one for one in own}
    near = [shown[one] for one in nearest_names(name.rpartition("/")[2], shown)]
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    counts = " and ".join(f"{len(names)} as {library}/NAME" for library, names in tables.items())
    return f"find_classifier.name: there is no network {name!r}{hint}\n  Pet's own: {', '.join(own)}; besides these {counts}"


def _library_names(library: str, *, tagged: bool) -> list[str]:
    """Return the classifiers of a library; ``tagged``: timm's names of published weights, e.g. ``resnet18.a1_in1k``."""
    if library == "timm":
        import timm  # slow to import, and Pet's own networks do without

        names: list[str] = timm.list_models(pretrained=tagged)
        return names
    from torchvision import models  # slow to import, and Pet's own networks do without

    return list(models.list_models(module=models))


def _without_auxiliary_classifiers(name: str) -> dict[str, Any]:
    """Return the arguments that leave one tensor of logits as the output of torchvision's GoogLeNet and Inception v3."""
    return {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}


def construct(name: str, builder: Callable[..., nn.Module], fixed: Mapping[str, Any], args: Mapping[str, Any]) -> nn.Module:
    """Return ``builder(**fixed, **args)``.

    Args:
        name: what the config calls the network.
        builder: makes it.
        fixed: arguments that Pet sets.
        args: those of the user.

    Raises:
        ConfigError: one of ``args`` is fixed, or the network does not take them.
    """
    for taken in fixed.keys() & args.keys():
        hint = "set build_classifier.num_classes" if taken == "num_classes" else f"Pet sets it to {fixed[taken]!r}; leave it out"
        raise ConfigError(f"construct.args: {taken}: {hint}")
    try:
        return builder(**fixed, **args)
    except (TypeError, ValueError, KeyError, RuntimeError, AssertionError) as error:
        if not args:
            raise
        raise ConfigError(f"construct.args: {name} cannot be built with {dict(args)}: {error}") from error


def last_layer_names(network: nn.Module) -> list[str]:
    """Return the names of the modules that give the logits: those that timm states, else the last module with parameters."""
    stated = getattr(network, "pretrained_cfg", {}).get("classifier")
    names = [stated] if isinstance(stated, str) else list(stated or ())
    modules = dict(network.named_modules())
    if names and all(name in modules for name in names):
        return names
    return [name for name, module in modules.items() if any(True for _ in module.parameters(recurse=False))][-1:]


def build_classifier_backbone(cfg: VisionConfig, args: Mapping[str, Any] | None = None) -> nn.Module:
    """Return ``MODEL.BACKBONE`` with ``MODEL.NUM_CLASSES`` outputs, with synchronised batch norm where that is on.

    Args:
        cfg: the config.
        args: arguments of the network that a task derives from keys of its own; ``MODEL.BACKBONE_ARGS`` goes before them.

    Raises:
        ConfigError: there is no such network, it does not take the arguments, or batch norm cannot be synchronised.
    """
    args = {**(args or {}), **cfg.MODEL.BACKBONE_ARGS}
    with keys_in_errors(cfg):
        network = build_classifier(cfg.MODEL.BACKBONE, num_classes=cfg.MODEL.NUM_CLASSES, args=args)
    return synchronise_batch_norm(network, cfg) if cfg.MODEL.SYNC_BN else network


def synchronise_batch_norm(model: nn.Module, cfg: PetConfig) -> nn.Module:
    """Return ``model`` with batch-norm statistics over all processes; the names of its weights stay.

    Raises:
        ConfigError: several processes without GPUs, for which torch has no such layer.
    """
    if world_size() == 1:
        return model
    if choose_device(cfg.MISC.DEVICE).type != "cuda":
        raise ConfigError("MODEL.SYNC_BN: True works on GPUs only and this run has none; set it to False")
    converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return converted
