"""Settings that do not go together are refused before anything is built."""

import pytest

from pet.tasks.contrast import config
from pet.tasks.contrast.model import build_model
from petlib.config import CfgNode, ConfigError, load_cfg
from tests.integration.conftest import ROOT

DIGITS = ROOT / "cfgs" / "tasks" / "contrast" / "digits" / "simclr_resnet20.yaml"
LAYER = "CONTRAST.PROJECTOR.NORM=layer"


def load(*overrides: str) -> CfgNode:
    return load_cfg(config, DIGITS, list(overrides))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["MODEL.BACKBONE=''"], "MODEL.BACKBONE: nothing given"),
        (["TRAIN.TRANSFORMS=[Normalize]"], r"TRAIN.TRANSFORMS: 0 times Views given; .* write \{name: Views, first: \[...\]\} once"),
        (["TRAIN.PARALLEL=fsdp"], "TRAIN.PARALLEL: fsdp does not go with CONTRAST.METHOD simclr; take ddp"),
        (["SOLVER.ACCUMULATION=4"], "SOLVER.ACCUMULATION: 4 given, but simclr compares the samples of a batch .* CONTRAST.GRADIENT_CACHE"),
        (["CONTRAST.METHOD=mocov3", "SOLVER.ACCUMULATION=2"], "SOLVER.ACCUMULATION: 2 given, but mocov3 compares"),
        (
            ["CONTRAST.METHOD=moco", "CONTRAST.BATCH_NORM_GROUPS=3"],
            "GROUPS: 3 given, but 256 samples are encoded at once",
        ),
        (["CONTRAST.METHOD=moco", "CONTRAST.BATCH_NORM_GROUPS=256"], "groups of equal size, of at least 2 samples"),
        (["CONTRAST.METHOD=moco", "CONTRAST.BATCH_NORM_GROUPS=4", "MODEL.SYNC_BN=True"], "given with MODEL.SYNC_BN True"),
        (["CONTRAST.GRADIENT_CACHE=True"], "CONTRAST.GRADIENT_CACHE: True, but the batch has one part"),
        (["CONTRAST.TEMPERATURE=0"], "CONTRAST.TEMPERATURE: 0 given, a number above 0 expected"),
        (["PROBE.NEIGHBOURS=[0]"], r"PROBE.NEIGHBOURS: \[0\] given"),
        (["CONTRAST.METHOD=byol", "CONTRAST.MOMENTUM=[0.9]"], r"CONTRAST.MOMENTUM: \[0.9\] given, two numbers from 0 to 1"),
        (["CONTRAST.METHOD=moco", "CONTRAST.QUEUE=100"], "CONTRAST.QUEUE: 100 keys given, fewer than TRAIN.BATCH_SIZE, 256"),
        (["CONTRAST.WEIGHT_DECAY_END=0.4", "SOLVER.OPTIMIZER.WEIGHT_DECAY=0"], "CONTRAST.WEIGHT_DECAY_END: given, but"),
        (["CONTRAST.QUEUE=512"], "CONTRAST.QUEUE: not used by this run: CONTRAST.METHOD is 'simclr'"),
    ],
)
def test_mistakes(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(*overrides)


@pytest.mark.parametrize("method", ["byol", "moco", "dino"])
def test_parts_are_averaged_where_samples_count_by_themselves(method: str) -> None:
    assert load(f"CONTRAST.METHOD={method}", "SOLVER.ACCUMULATION=2").SOLVER.ACCUMULATION == 2


@pytest.mark.parametrize("method", config.METHODS)
def test_every_method_is_built(method: str) -> None:
    small = ["CONTRAST.QUEUE=512"] if method == "moco" else ["CONTRAST.DINO.PROTOTYPES=32"] if method == "dino" else []
    cfg = load(f"CONTRAST.METHOD={method}", "TRAIN.BATCH_SIZE=256", *small)
    model = build_model(cfg)
    assert type(model).__name__.lower() == method.replace("_", "")
    assert model.compares_batch == (method in config.COMPARES_BATCH)


def test_batch_norm_is_refused_where_a_batch_is_encoded_in_parts() -> None:
    overrides = ["SOLVER.ACCUMULATION=2", "CONTRAST.GRADIENT_CACHE=True"]
    with pytest.raises(ConfigError, match="CONTRAST.GRADIENT_CACHE: backbone.* is a batch norm"):
        build_model(load(*overrides))
    vit = ["MODEL.BACKBONE=timm/test_vit", "MODEL.BACKBONE_ARGS={img_size: 16, patch_size: 4}"]
    with pytest.raises(ConfigError, match="CONTRAST.GRADIENT_CACHE: projector.1 is a batch norm"):
        build_model(load(*overrides, *vit))
    assert build_model(load(*overrides, *vit, LAYER)).compares_batch
