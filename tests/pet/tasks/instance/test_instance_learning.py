"""All heads learn a few crops by heart, with pixels counted and offsets learned as UDP does: to figures in coordinates of the files."""

from pathlib import Path

import torch

from pet.data.datasets.shapes_writing import write_shapes
from pet.data.loading.build import build_dataset, build_train_loader
from pet.tasks.instance import config
from pet.tasks.instance.task import TASK
from petlib.config import load_cfg

CPU = torch.device("cpu")
HEADS = (
    "HAS_KEYPOINTS: True, KEYPOINTS: {NUM_KEYPOINTS: 5, TARGET: offsets, RADIUS: 2.0, CONVENTION: udp}, "
    "HAS_MASK: True, MASK: {CHANNELS: [32]}, HAS_PARSING: True, PARSING: {NUM_PARTS: 7, CHANNELS: [32]}"
)
STEPS = 150


def test_a_network_learns_a_few_crops_by_heart(tmp_path: Path) -> None:
    write_shapes(tmp_path, split="test", count=4)
    data, path = tmp_path / "test", tmp_path / "cfgs" / "tasks" / "instance" / "x.yaml"
    path.parent.mkdir(parents=True)
    crop = "[{name: CropObject, size: 64, convention: udp}, Normalize]"
    path.write_text(
        f"DATA: {{CATALOG: {{tiny: {{type: coco, path: {data}/images, annotations: {data}/annotations.json}}}}, "
        "CLASSES: [figure], OTHER_CLASSES: skip}\n"
        f"MODEL: {{BACKBONE: timm/test_resnet, UPSAMPLING: {{CHANNELS: 32}}, {HEADS}}}\n"
        f"SOLVER: {{SCHEDULER: {{TOTAL_ITERS: {STEPS}}}}}\n"
        f"TRAIN: {{DATASETS: [tiny], BATCH_SIZE: 5, NUM_WORKERS: 0, TRANSFORMS: {crop}}}\n"
        f"TEST: {{DATASETS: [tiny], NUM_WORKERS: 0, TRANSFORMS: {crop}}}\nMISC: {{CKPT: {tmp_path}/run}}\n"
    )
    cfg = load_cfg(config, path, [])  # type: ignore[arg-type]
    kinds = TASK.expected_data(cfg).kinds
    objects = TASK.prepare_data(cfg, build_dataset(cfg, ["tiny"], kinds))
    torch.manual_seed(0)
    model = TASK.build_model(cfg).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    losses = []
    batches = iter(build_train_loader(cfg, objects, CPU, kinds).batches(0, STEPS))
    for _ in range(STEPS):
        loss = sum(model(next(batches))["losses"].values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 4
    found = TASK.build_evaluation(cfg, CPU)(model)
    assert found["keypoints/AP"] > 0.9
    assert found["segm/AP50"] > 0.9
    assert found["parsing/mIoU"] > 0.6
