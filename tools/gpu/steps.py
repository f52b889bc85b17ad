"""The training step of a model through Pet's whole loop against the bare step of its library, in turns in one process.

``classification``: ResNet-50 at 224 pixels, channels last, bf16, compiled, against torchvision's network. ``detection``: Faster R-CNN
R-50-FPN on images of 800x1066, bf16, against torchvision's detector. ``segmentation``: SegFormer-B2 at 512 pixels, bf16, against
segmentation-models-pytorch. Batches are random and lie on the device. tools/benchmark/training_step.py measures smaller ones on a CPU.
"""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import segmentation_models_pytorch
import torch
from loops import Batch, Repeated, allocated, load, run_bare, run_pet
from report import Report, device_of, part_options
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torchvision.models import get_model
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

from pet import segmentation, vision
from pet.data.loading.batch_transforms import NormalizeImages
from pet.projects import buildseg
from pet.typed import PetConfig
from petlib import engine, solver
from petlib.data.seeding import seed_everything

GOAL = 0.99
"""Share of the bare step's rate that the whole loop reaches."""
IMAGES_PER_SECOND = 3000
"""The least of a ResNet-50 on an H200."""


class Case(NamedTuple):
    """One network twice: as Pet trains it and as its library is trained by hand."""

    cfg: PetConfig
    model: nn.Module
    batches: Repeated
    bare: nn.Module
    bare_loss: Callable[[nn.Module, Batch], Tensor]
    bare_batches: Repeated
    images: int


class Scale(NamedTuple):
    """How large the cases are.

    Attributes:
        resnet: the backbone of classification and detection.
        image: edge, and images of a batch, of classification.
        photograph: height and width, and images of a batch, of detection.
        tile: likewise of segmentation.
        segmenter: its network, and the width of SegFormer's decoder.
        timed: iterations that are timed in a turn of each case.
        turns: how many count.
        bf16: mixed precision. Some CPUs have no bf16 and are slow at it.
    """

    resnet: str
    image: tuple[int, int]
    photograph: tuple[tuple[int, int], int]
    tile: tuple[tuple[int, int], int]
    segmenter: tuple[str, int]
    timed: dict[str, int]
    turns: int
    bf16: bool = False

    @property
    def precision(self) -> list[str]:
        """Settings of the mixed precision."""
        return ["SOLVER.AMP.ENABLED=True", "SOLVER.AMP.DTYPE=bf16"] if self.bf16 else ["SOLVER.AMP.ENABLED=False"]


GPU = Scale(
    resnet="resnet50",
    image=(224, 256),
    photograph=((800, 1066), 8),
    tile=((512, 512), 16),
    segmenter=("segformer_b2", 768),
    timed={"classification": 40, "detection": 25, "segmentation": 25},
    turns=3,
    bf16=True,
)
DRY = Scale(
    resnet="resnet18",
    image=(32, 2),
    photograph=((64, 96), 2),
    tile=((64, 64), 2),
    segmenter=("segformer_b0", 256),
    timed={"classification": 2, "detection": 2, "segmentation": 2},
    turns=1,
)


def classification(folder: Path, device: torch.device, *, iterations: int, scale: Scale) -> Case:
    """Return a ResNet with the settings of cfgs/vision/imagenet."""
    size, count = scale.image
    settings = [*scale.precision, f"MODEL.BACKBONE=torchvision/{scale.resnet}"]
    cfg = load(vision.config, "vision/imagenet/resnet50.yaml", folder, iterations, settings)
    generator = torch.Generator(device).manual_seed(0)
    batches = [
        {
            "image": torch.randn(count, 3, size, size, device=device, generator=generator).contiguous(memory_format=torch.channels_last),
            "label": torch.randint(1000, (count,), device=device, generator=generator),
            "meta": [{"index": index} for index in range(count)],
        }
        for _ in range(2)
    ]
    bare = get_model(scale.resnet).to(device=device, memory_format=torch.channels_last)
    if device.type == "cuda":
        bare.compile()

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        return functional.cross_entropy(model(batch["image"]).float(), batch["label"])

    return Case(cfg, vision.GeneralizedCNN(cfg), Repeated(batches), bare, loss, Repeated(batches), count)


def detection(folder: Path, device: torch.device, *, iterations: int, scale: Scale) -> Case:
    """Return Faster R-CNN with the settings of cfgs/vision/mscoco; Pet gets pixels, torchvision images of 0 to 1."""
    (height, width), count = scale.photograph
    settings = [*scale.precision, f"MODEL.BACKBONE=torchvision/{scale.resnet}"]
    cfg = load(vision.config, "vision/mscoco/e2e_faster_rcnn_R-50-FPN_1x.yaml", folder, iterations, settings)
    generator = torch.Generator().manual_seed(0)
    normalize = NormalizeImages(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), channels_last=False, pad_divisor=32)
    batches, bare_batches = [], []
    for _ in range(2):
        pixels = torch.randint(256, (count, height, width, 3), generator=generator, dtype=torch.uint8).to(device)
        corners = torch.rand(count, 7, 2, generator=generator) * torch.tensor([width * 0.7, height * 0.7])
        sizes = torch.rand(count, 7, 2, generator=generator) * torch.tensor([width * 0.25, height * 0.25]) + 8
        boxes = torch.cat([corners, corners + sizes], dim=-1).to(device)
        labels = torch.randint(80, (count, 7), generator=generator).to(device)
        batches.append({"image": list(pixels), "boxes": list(boxes), "labels": list(labels), "meta": [{} for _ in range(count)]})
        targets = [{"boxes": one, "labels": names + 1} for one, names in zip(boxes, labels, strict=True)]
        bare_batches.append({"images": list(pixels.permute(0, 3, 1, 2).float().div(255)), "targets": targets})
    backbone = resnet_fpn_backbone(backbone_name=scale.resnet, weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=3)
    bare = FasterRCNN(backbone, num_classes=81, min_size=min(height, 800), max_size=1333).to(device)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        return torch.stack([*model(batch["images"], batch["targets"]).values()]).sum()

    def change(batch: Batch) -> Batch:
        return normalize(batch, None)  # type: ignore[arg-type]  # it draws no random numbers

    model = vision.GeneralizedCNN(cfg)
    return Case(cfg, model, Repeated(batches, change), bare, loss, Repeated(bare_batches), count)


def segmentation_case(folder: Path, device: torch.device, *, iterations: int, scale: Scale) -> Case:
    """Return SegFormer, or a U-Net with a ResNet-18, with one sigmoid channel and cross entropy."""
    (height, width), count = scale.tile
    network, decoder = scale.segmenter
    preset = "unet_R-18_cpu" if network == "unet" else "segformer_b2_512"
    settings = [*scale.precision, "MODEL.LOSSES=[bce]", f"MODEL.NETWORK={network}"]
    cfg = load(buildseg.config, f"projects/buildseg/{preset}.yaml", folder, iterations, settings)
    generator = torch.Generator(device).manual_seed(0)
    batches = [
        {
            "image": torch.randn(count, 3, height, width, device=device, generator=generator),
            "semseg": torch.randint(2, (count, height, width), device=device, generator=generator, dtype=torch.uint8),
            "meta": [{} for _ in range(count)],
        }
        for _ in range(2)
    ]
    bare: Any
    if network == "unet":
        bare = segmentation_models_pytorch.Unet("resnet18", encoder_weights=None, classes=1)
    else:
        build: Any = segmentation_models_pytorch.Segformer
        bare = build(network.replace("segformer", "mit"), encoder_weights=None, decoder_segmentation_channels=decoder, classes=1)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        return functional.binary_cross_entropy_with_logits(model(batch["image"])[:, 0].float(), batch["semseg"].float())

    return Case(cfg, segmentation.build_model(cfg), Repeated(batches), bare.to(device), loss, Repeated(batches), count)


def tame(network: nn.Module) -> None:
    """Scale down what frozen batch norm with its first values lets grow from layer to layer."""
    for module in network.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.weight.mul_(0.5)


CASES = {"classification": classification, "detection": detection, "segmentation": segmentation_case}


def bare_step(case: Case, optimizer: Optimizer, device: torch.device) -> Callable[[Batch], None]:
    """Return one iteration as one writes it by hand."""

    def step(batch: Batch) -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=case.cfg.SOLVER.AMP.ENABLED is True):
            loss = case.bare_loss(case.bare, batch)
        loss.backward()
        optimizer.step()

    return step


def measure(name: str, report: Report, device: torch.device, scale: Scale) -> None:
    """Run the loops in turns and write rates, their ratio, and the peaks of the memory."""
    timed, has_goals = scale.timed[name], device.type == "cuda"
    warm_up = max(2, timed // 5)
    with tempfile.TemporaryDirectory() as folder:
        # 1. Both networks, by the same recipe
        seed_everything(0)
        case = CASES[name](Path(folder), device, iterations=warm_up + timed + 1, scale=scale)
        tame(case.model)
        tame(case.bare)
        model = engine.prepare_model(case.model, case.cfg, device)
        optimizer = solver.build_optimizer(model, case.cfg)
        bare_optimizer = torch.optim.SGD([p for p in case.bare.parameters() if p.requires_grad], lr=1e-7, momentum=0.9, fused=True)
        if name == "segmentation":
            bare_optimizer = torch.optim.AdamW(case.bare.parameters(), lr=1e-7, fused=True)
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = name != "detection"
        torch.backends.cudnn.allow_tf32 = True
        case.bare.train()
        step = bare_step(case, bare_optimizer, device)

        # 2. In turns, after a first one that compiles and is not counted
        pet, bare = [], []
        for _ in range(scale.turns + 1):
            bare_before = allocated(device)
            bare.append(run_bare(step, bare_optimizer, case.bare_batches, device, iterations=timed))
            bare_peak = bare[-1].peak - bare_before
            pet_before = allocated(device)
            pet.append(run_pet(case.cfg, model, optimizer, case.batches, device, warm_up=warm_up))
            pet_peak = pet[-1].peak - pet_before

        # 3. What it comes to
        ratio = statistics.median(hand.seconds / ours.seconds for hand, ours in zip(bare[1:], pet[1:], strict=True))
        rate = case.images / statistics.median(one.seconds for one in pet[1:])
        goal = f"at least {IMAGES_PER_SECOND}" if has_goals and name == "classification" else ""
        report.add(f"{name}: Pet", rate, "images/s", passed=None if not goal else rate >= IMAGES_PER_SECOND, note=goal)
        report.add(f"{name}: bare step", case.images / statistics.median(one.seconds for one in bare[1:]), "images/s")
        turns_note = ", ".join(f"{hand.seconds * 1e3:.1f}/{ours.seconds * 1e3:.1f}" for hand, ours in zip(bare[1:], pet[1:], strict=True))
        note = f"at least {GOAL}; ms bare/Pet in turns: {turns_note}"
        report.add(f"{name}: Pet's rate / bare", ratio, passed=ratio >= GOAL if has_goals else None, note=note)
        if device.type == "cuda":
            share = pet_peak / bare_peak
            note = f"{pet_peak / 2**20:.0f} MiB, bare {bare_peak / 2**20:.0f} MiB, beyond weights and optimizer; at most 1.05"
            report.add(f"{name}: peak memory / bare", share, passed=share <= 1.05, note=note)


def main() -> None:
    """Measure one case."""
    parser = part_options(__doc__)
    parser.add_argument("case", choices=CASES)
    arguments = parser.parse_args()
    measure(arguments.case, Report(arguments.rows), device_of(arguments), DRY if arguments.dry else GPU)


if __name__ == "__main__":
    main()
