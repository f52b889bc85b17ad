"""What the document of antgo shows, with only the import lines changed, and data of a few bytes for it."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from pet.compat.antgo.dataflow.dataset.dataset import Dataset
from pet.compat.antgo.framework.helper import reader
from pet.compat.antgo.framework.helper.models.builder import HEADS, MODELS
from pet.compat.antgo.framework.helper.runner import BaseModule

SIZE = 8
COUNT = 12


@MODELS.register_module()
class EncoderDecoder(BaseModule):
    def __init__(self, backbone, decode_head, neck=None, train_cfg=None, test_cfg=None, init_cfg=None):  # noqa: PLR0917
        super().__init__(init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        self.with_neck = False
        if neck is not None:
            self.neck = MODELS.build(neck)
            self.with_neck = True

        self.decode_head = HEADS.build(decode_head)
        self.train_cfg = train_cfg
        self.test_cfg = test_cfg

    def extract_feat(self, image):
        x = self.backbone(image)
        if self.with_neck:
            x = self.neck(x)
        return x

    def forward_train(self, image, segments, **kwargs):
        x = self.extract_feat(image)
        x = self.decode_head(x)

        losses = dict()  # noqa: C408
        loss_decode = self.decode_head.loss(x, segments.long())
        losses.update(loss_decode)
        return losses

    def forward_test(self, image, **kwargs):
        x = self.extract_feat(image)
        seg_predict = self.decode_head.simple_test(x)
        seg_predict = F.interpolate(seg_predict, size=(image.shape[2:]), mode="bilinear")
        seg_predict = torch.argmax(seg_predict, 1)
        return {"pred_segments": seg_predict}

    def onnx_export(self, image):
        feat = self.extract_feat(image)
        seg_predict = self.decode_head.simple_test(feat)
        return seg_predict  # noqa: RET504


@reader.register
class TinySquares(Dataset):
    """Bright squares on noise; the label is where the square is."""

    def __init__(self, train_or_test: str = "train", dir: str | None = None, ext_params: dict[str, Any] | None = None) -> None:  # noqa: A002
        super().__init__(train_or_test, dir, ext_params)

    @property
    def size(self) -> int:
        return COUNT

    def sample(self, id: int) -> dict[str, Any]:  # noqa: A002
        generator = np.random.default_rng(id)
        segments = np.zeros((1, SIZE, SIZE), np.uint8)
        top, left = generator.integers(0, SIZE // 2, 2)
        segments[:, top : top + SIZE // 2, left : left + SIZE // 2] = 1
        image = generator.normal(0, 0.1, (3, SIZE, SIZE)).astype(np.float32) + segments
        return {"image": image.astype(np.float32), "segments": segments}


def tiny_config(**changes: Any) -> dict[str, Any]:
    """Return a config for a training of a second; ``changes`` replace whole sections."""
    split = {"type": "TinySquares", "inputs_def": {"fields": ["image", "segments"]}}
    loader = {"samples_per_gpu": 4}
    config: dict[str, Any] = {
        "optimizer": {"type": "SGD", "lr": 0.05, "momentum": 0.9},
        "optimizer_config": {"grad_clip": None},
        "lr_config": {"policy": "CosineAnnealing", "min_lr": 1e-5, "warmup_by_epoch": False, "warmup_iters": 2, "warmup": "linear"},
        "model": {
            "type": "EncoderDecoder",
            "backbone": {"type": "SmallBackbone", "channels": 8},
            "decode_head": {"type": "SimpleHead", "in_channels": 8, "channels": 8, "out_channels": 2},
        },
        "data": {
            "train": {**split, "train_or_test": "train"},
            "train_dataloader": {**loader, "drop_last": True, "shuffle": True},
            "val": {**split, "train_or_test": "val"},
            "val_dataloader": {**loader},
            "test": {**split, "train_or_test": "val"},
            "test_dataloader": {"samples_per_gpu": 5},
        },
        "log_config": {"interval": 1},
        "checkpoint_config": {"interval": 1},
        "evaluation": {"interval": 1, "metric": {"type": "SegMIOU", "class_num": 2}, "save_best": "miou", "rule": "greater"},
        "export": {"input_shape_list": [[1, 3, SIZE, SIZE]], "input_name_list": ["image"], "output_name_list": ["logits"]},
    }
    return config | changes
