"""The command line of pet-export, before a model is made."""

import argparse
from pathlib import Path

import pytest

from pet.commands.export_net import export_model
from petlib.config import CfgNode
from petlib.errors import OutputError


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    places = {Path("/proc/x/net.onnx"): "the results cannot be written", tmp_path / "file/net.onnx": f"{tmp_path}/file is a file"}
    for out, said in places.items():
        with pytest.raises(OutputError, match=f"^--out {out}: {said}"):
            export_model(CfgNode({}), argparse.Namespace(cfg="nowhere.yaml", type=None, weights="", out=out))
