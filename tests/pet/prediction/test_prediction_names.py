"""Where the names of classes come from."""

from pathlib import Path

import pytest
import torch

from pet.exporting.description import ModelDescription
from pet.prediction.build import check_kinds, find_names
from pet.prediction.predictors.samples import build_model_samples
from pet.vision import config as vision_config
from pet.visual import TargetNames
from petlib.checkpoint.origin import Origin
from petlib.config import ConfigError, load_cfg
from tests.integration.conftest import DIGITS


def test_names_come_from_config_data_or_run(tmp_path: Path) -> None:
    def names(*overrides: str) -> TargetNames:
        return find_names(load_cfg(vision_config, DIGITS, [f"MISC.CKPT={tmp_path}", *overrides]), ("label",))

    assert names().classes == tuple("0123456789")
    given = [f"n{number}" for number in range(10)]
    assert names(f"DATA.CLASSES={given}", "TEST.DATASETS=[]", "TRAIN.DATASETS=[]").classes == tuple(given)
    nowhere = ["TEST.DATASETS=[cifar10_test]", "TRAIN.DATASETS=[]", f"MISC.DATA_ROOT={tmp_path}"]
    assert names(*nowhere).classes == ()
    assert names(*nowhere).of_class(3) == "3"
    (tmp_path / "config.yaml").write_text("DATA: {CLASSES: [cat, dog]}")
    assert names(*nowhere).classes == ("cat", "dog")


def test_names_of_the_weights_come_first(tmp_path: Path) -> None:
    cfg = load_cfg(vision_config, DIGITS, [f"MISC.CKPT={tmp_path}"])
    trained = [f"n{number}" for number in range(10)]
    assert find_names(cfg, ("label",), {"label": trained}).classes == tuple(trained)
    both = find_names(cfg, ("boxes", "semseg", "parsing"), {"boxes": ["cat"], "semseg": ["sky", "road"], "parsing": ["background", "tail"]})
    assert (both.classes, both.semseg_classes, both.parts) == (("cat",), ("sky", "road"), ("background", "tail"))


def test_an_exported_file_keeps_the_names_of_its_weights() -> None:
    plain = ModelDescription(classes=("a", "b"), mean=(0.0,), std=(1.0,))
    named = plain.with_names({"boxes": ["cat", "dog"], "semseg": ["sky"]})
    assert (named.classes, plain.with_names({})) == (("cat", "dog"), plain)
    read = ModelDescription.from_metadata(named.to_metadata(), name="x.onnx")
    assert (read.classes, read.names) == (("cat", "dog"), {"boxes": ["cat", "dog"], "semseg": ["sky"]})
    earlier = {key: value for key, value in plain.to_metadata().items() if key != "names"}
    assert ModelDescription.from_metadata(earlier, name="x.onnx").names == {}
    assert ModelDescription.from_metadata(earlier, name="x.onnx").licence == "unknown"
    begun = named.with_origin(Origin("timm/resnet18.a1_in1k", "apache-2.0"))
    read = ModelDescription.from_metadata(begun.to_metadata(), name="x.onnx")
    assert (read.licence, read.began_with) == ("apache-2.0", "timm/resnet18.a1_in1k")


def test_a_file_of_another_kind_of_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="check_kinds.trained: the exported file predicts semseg, but the model of this config label"):
        check_kinds({"semseg": ["sky"]}, ("label",))
    check_kinds({"boxes": ["cat"], "masks": ["cat"]}, ("boxes",))
    check_kinds({}, ("label",))


def test_what_a_prediction_takes_from_the_config_counts_as_read() -> None:
    """A batch of one image is no other config: what was given on the command line would be reported as read by nothing."""
    cfg = load_cfg(vision_config, DIGITS, ["TEST.RESIZE.SCALES=[24]"])
    list(build_model_samples(cfg, torch.nn.Identity(), torch.device("cpu"), ("label",), batch_size=1).predict([]))
    assert {"TEST.RESIZE.SCALES", "TEST.TRANSFORMS"} <= cfg.read_keys()
