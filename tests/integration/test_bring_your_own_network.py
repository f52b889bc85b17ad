"""The project of docs/bring_your_own_network.md, trained for a few iterations by its own script."""

import re
from pathlib import Path

import cv2
import pytest
import torch

from tests.integration.conftest import ROOT, environment
from tests.integration.warm_python import warm_python

PAGE = (ROOT / "docs" / "bring_your_own_network.md").read_text(encoding="utf-8")
FILES: dict[str, str] = dict(re.findall(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^    python (train\.py --config-file \S+ ?.*)$", PAGE, re.MULTILINE)
SHORT = ["solver.checkpoint_period=2", "solver.train_per_batch=4", "solver.log_period=1", "dataloader.val_data_set.count=4"]
WARM_UP = "solver.generator.lr_scheduler.params.warmup_iter=1"


def execute(folder: Path, words: list[str], *, expected_code: int = 0) -> str:
    code, output = warm_python().run(
        [folder / words[0], *words[1:]], folder=folder, environment={**environment(), "PYTHONPATH": str(ROOT)}, timeout=120
    )
    assert code == expected_code, output
    return output


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def printed(project: Path) -> list[str]:
    """Run the commands of the page, short; return what each printed."""
    outputs = []
    for line, max_iter in zip(COMMANDS[:3], (2, 4, 2), strict=True):
        words = [word for word in line.split() if not word.startswith("solver.max_iter")]
        outputs.append(execute(project, [*words, *SHORT, WARM_UP, f"solver.max_iter={max_iter}"]))
    return outputs


def test_the_page_has_the_whole_project() -> None:
    assert list(FILES) == ["codes.py", "train.py", "denoise.py", "denoise_gan.yaml", "use.py"]
    assert [line.split()[2] for line in COMMANDS[:3]] == ["denoise.py", "denoise.py", "denoise_gan.yaml"]


def test_the_denoiser_trains_resumes_and_writes_a_picture(project: Path, printed: list[str]) -> None:
    first, resumed, _ = printed
    assert "[iter: 2/2]" in first
    assert re.search(r"\[iter: 2\]-\[evaluation\]-\[val/psnr: \d", first)
    assert "continuing from iteration 2 of 4" in resumed
    assert "[iter: 3/4]" in resumed
    assert cv2.imread(str(project / "ckpts" / "denoise" / "denoised.png")).shape == (64, 64, 3)


def test_the_gan_has_two_optimizers_in_one_checkpoint(project: Path, printed: list[str]) -> None:
    assert re.search(r"\[generator/pixels: .*\[generator/adversarial: .*\[discriminator/judge: ", printed[2])
    saved = torch.load(project / "ckpts" / "denoise_gan" / "model_latest.pth", weights_only=True)
    assert list(saved["optimizers"]) == ["generator", "discriminator"]


def test_the_denoiser_becomes_a_file(project: Path, printed: list[str]) -> None:
    output = execute(project, [*COMMANDS[3].split(), WARM_UP])
    assert "denoiser.onnx: 0.1 MB, images ('batch', 3, 'height', 'width') -> output" in output
    assert re.search(r"onnxruntime and PyTorch differ by at most \d\S* on 8 inputs", output)
    options = ["--type", "trainframework", "--cfg", "denoise.py", "--out", "denoiser.pt2", "imports=[codes]", WARM_UP]
    output = execute(project, [str(ROOT / "tools" / "export_net_all.py"), *options])
    assert "the .pt2 file and PyTorch differ by at most" in output
    assert (project / "denoiser.pt2").exists()


def test_the_trained_model_is_used_as_the_page_says(project: Path, printed: list[str]) -> None:
    assert execute(project, ["use.py"]).endswith("torch.Size([1, 3, 64, 64])\n")


def test_a_name_that_two_classes_have_is_one_message(project: Path) -> None:
    (project / "more.py").write_text("from codes import *\n\n@BUILD_NETWORK_REGISTRY.register()\nclass Denoiser(nn.Module): pass\n")
    (project / "train_more.py").write_text((project / "train.py").read_text().replace("codes", "more"))
    output = execute(project, ["train_more.py", "--config-file", "denoise.py"], expected_code=2)
    taken = "the network 'Denoiser' of more.Denoiser has a name that is taken by codes.Denoiser"
    assert f"error: denoise.py:18: trainer.model.generator: {taken}" in output
    assert "Traceback" not in output
