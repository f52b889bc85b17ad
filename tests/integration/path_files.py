"""Prints which files of Pet are on the way to one training step: python path_files.py SCRIPT [arguments of the script].

A file is on the way when a function of it is on the call stack at one of these moments: the config is read, a process is started, a
layer or the optimizer is made, a sample is read, and the first layer, the loss, the gradients and the optimizer step are computed. These
are the files that a reader opens who follows a run from its command line; what a file calls aside and returns from is not counted.
"""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import yaml

from pet.data.datasets.digits import Digits

ROOT = Path(__file__).parents[2]
FOLDERS = tuple(f"{ROOT / name}/" for name in ("lib", "pet", "tools"))
MOMENTS = {
    yaml.SafeLoader.get_single_node: "config",
    subprocess.Popen.__init__: "process",
    torch.nn.Conv2d.__init__: "layer",
    torch.optim.Optimizer.__init__: "optimizer",
    Digits.__getitem__: "sample",
    torch.nn.Conv2d.forward: "forward",
    torch.nn.functional.cross_entropy: "loss",
    torch.Tensor.backward: "gradients",
    torch.optim.SGD.step: "step",
}


class Tracer:
    """Notes the files on the call stack at the moments.

    Attributes:
        files: path relative to the root -> moments.
    """

    def __init__(self) -> None:
        # decorators wrap some of them
        self._moments = {getattr(function, "__wrapped__", function).__code__: name for function, name in MOMENTS.items()}
        self.files: dict[str, set[str]] = {}

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        name = self._moments.get(frame.f_code) if event == "call" else None
        current: FrameType | None = frame if name else None
        while current is not None:
            if current.f_code.co_filename.startswith(FOLDERS):
                self.files.setdefault(str(Path(current.f_code.co_filename).relative_to(ROOT)), set()).add(str(name))
            current = current.f_back


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    tracer = Tracer()
    sys.setprofile(tracer)
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        assert not end.code, end.code
    finally:
        sys.setprofile(None)
        print(json.dumps({name: sorted(moments) for name, moments in sorted(tracer.files.items())}))
