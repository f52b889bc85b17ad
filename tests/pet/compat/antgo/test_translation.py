"""The sample config of the document, and what its keys mean in Pet."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pet.compat.antgo.translation import translate
from pet.compat.shared.translation import Translated
from petlib.config import PETLIB_SCHEMA, CfgNode
from petlib.config.nested import nested_of, read_nested
from petlib.errors import ConfigError

SPLIT = """dict(
        type='Pascal2012',
        train_or_test='{split}',
        dir='./pascal2012_dataset',
        ext_params=dict(task_type='SEGMENTATION', aug=True),
        pipeline=[
            {steps}
            dict(type='ToTensor', keys=['image']),
            dict(type='Normalize', mean=(0.491400, 0.482158, 0.4465231), std=(0.247032, 0.243485, 0.2615877), keys=['image']),
            dict(type='UnSqueeze', axis=0, keys=['segments'])
        ],
        inputs_def=dict(
            fields=['image', 'segments'],
        )
    )"""
LOADER = "dict(samples_per_gpu=128, workers_per_gpu=2, drop_last={train}, shuffle={train},)"
TRAIN_STEPS = """dict(type='Rotation'),
            dict(type='ResizeS', target_dim=(256,256)),
            dict(type='ColorDistort'),
            dict(type='RandomFlipImage', swap_ids=[], swap_labels=[]),"""
TEST_STEPS = "dict(type='ResizeS', target_dim=(256,256)),"
SAMPLE = f"""
# the sample config of the document
optimizer = dict(type='SGD', lr=0.05,  weight_decay=5e-4, momentum=0.9, nesterov=True)
optimizer_config = dict(grad_clip=None)

lr_config = dict(
    policy='CosineAnnealing',
    min_lr=1e-5,
    warmup_by_epoch=False,
    warmup_iters=2000,
    warmup='linear'
)

model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='DDRKetNetF',
        in_channels=3
    ),
    decode_head=dict(
        type='SimpleHead',
        in_channels=32,
        channels=32,
        out_channels=21,
        ignore_index=255
    )
)

data=dict(
    train={SPLIT.format(split="train", steps=TRAIN_STEPS)},
    train_dataloader={LOADER.format(train=True)},
    val={SPLIT.format(split="val", steps=TEST_STEPS)},
    val_dataloader={LOADER.format(train=False)},
    test={SPLIT.format(split="val", steps=TEST_STEPS)},
    test_dataloader={LOADER.format(train=False)}
)

evaluation=dict(out_dir='./output/', interval=1, metric=dict(type='SegMIOU', class_num=21), save_best='miou', rule='greater')
"""
FURTHER = """
log_config = dict(
    interval=10,
    hooks=[
    dict(type='TextLoggerHook'),
    ])
checkpoint_config = dict(interval=1, out_dir='./output/')
export=dict(
    input_shape_list = [[1,3,256,256]],
    input_name_list=["image"],
    output_name_list=["heatmap"]
)
seed = 5
"""


def read(text: str, folder: Path, *overrides: str) -> Translated:
    (folder / "x.py").write_text(text)
    config = read_nested(folder / "x.py", overrides)
    translated = translate(config)
    config.require_all_read()
    return translated


def understand(**values: Any) -> Translated:
    return translate(nested_of(values, source="here"))


def test_the_sample_config_of_the_document_loads_as_it_is(tmp_path: Path) -> None:
    found = read(SAMPLE + FURTHER, tmp_path)
    cfg = CfgNode(PETLIB_SCHEMA)
    for key, value in found.settings.items():
        cfg.set(key, value)
    optimizer = cfg.SOLVER.OPTIMIZER
    assert (optimizer.NAME, optimizer.BASE_LR, optimizer.MOMENTUM, optimizer.NESTEROV) == ("SGD", 0.05, 0.9, True)
    assert (optimizer.WEIGHT_DECAY, optimizer.WEIGHT_DECAY_NORM, optimizer.WEIGHT_DECAY_BIAS) == (5e-4, 5e-4, 5e-4)
    schedule = cfg.SOLVER.SCHEDULER
    assert (schedule.NAME, schedule.MIN_LR, schedule.WARM_UP_ITERS, schedule.WARM_UP_METHOD) == ("cosine", 1e-5, 2000, "linear")
    assert (cfg.TRAIN.BATCH_SIZE, cfg.TRAIN.NUM_WORKERS, cfg.TEST.IMS_PER_GPU) == (128, 2, 128)
    assert (cfg.EVAL.PERIOD_EPOCH, cfg.EVAL.BEST_METRIC, cfg.EVAL.BEST_RULE) == (1, "miou", "greater")
    assert (cfg.SOLVER.SNAPSHOT_EPOCH, cfg.MISC.DISPLAY_ITER, cfg.MISC.SEED, cfg.MISC.TENSORBOARD) == (1, 10, 5, False)
    assert cfg.SOLVER.CLIP_GRADIENTS.METHOD == "none"


def test_components_are_what_is_built_by_name(tmp_path: Path) -> None:
    components = read(SAMPLE + FURTHER, tmp_path, "model.backbone.in_channels=4", "data.train.pipeline.1.target_dim=(64,64)").components
    assert components["model"].name == "EncoderDecoder"
    assert components["model"].arguments["backbone"] == {"type": "DDRKetNetF", "in_channels": 4}
    assert components["data.train"].arguments["ext_params"] == {"task_type": "SEGMENTATION", "aug": True}
    assert components["data.train.pipeline.1"].arguments == {"target_dim": (64, 64)}
    assert components["data.val.pipeline.3"].name == "UnSqueeze"
    assert components["data.train_dataloader"].arguments == {
        "samples_per_gpu": 128,
        "workers_per_gpu": 2,
        "drop_last": True,
        "shuffle": True,
    }
    assert components["evaluation.metric"].arguments == {"class_num": 21}
    assert components["evaluation.out_dir"].name == "./output/"
    assert components["export"].arguments["input_shape_list"] == [[1, 3, 256, 256]]
    assert components["lr_config"].name == "CosineAnnealing"


def test_a_mistake_is_reported_before_torch_is_there() -> None:
    code = "import sys, pet.compat.antgo.translation; print(sorted({'torch', 'numpy', 'cv2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180, check=True)
    assert done.stdout.strip() == "[]"


def test_places_have_lines(tmp_path: Path) -> None:
    line = next(number for number, text in enumerate(SAMPLE.splitlines(), 1) if text.startswith("optimizer ="))
    assert read(SAMPLE, tmp_path).components["optimizer"].place == f"{tmp_path / 'x.py'}:{line}: optimizer"


def test_what_is_missing_is_torch_s_default() -> None:
    adam = understand(optimizer={"type": "AdamW", "lr": 1e-3, "betas": (0.9, 0.95), "eps": 1e-6}).settings
    assert adam["SOLVER.OPTIMIZER.WEIGHT_DECAY"] == adam["SOLVER.OPTIMIZER.WEIGHT_DECAY_BIAS"] == 0.01
    assert adam["SOLVER.OPTIMIZER.BETAS"] == [0.9, 0.95]
    assert adam["SOLVER.OPTIMIZER.ARGS"] == {"eps": 1e-6}
    sgd = understand(optimizer={"type": "SGD", "lr": 1}).settings
    assert (sgd["SOLVER.OPTIMIZER.WEIGHT_DECAY"], sgd["SOLVER.OPTIMIZER.MOMENTUM"]) == (0.0, 0.0)


def test_sections_that_are_not_there_have_no_settings() -> None:
    found = understand(model={"type": "X"})
    assert "TRAIN.BATCH_SIZE" not in found.settings
    assert "EVAL.PERIOD_EPOCH" not in found.settings
    assert "data.train" not in found.components


def test_a_batch_is_that_of_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert understand(data={"train_dataloader": {"samples_per_gpu": 8}}).settings["TRAIN.BATCH_SIZE"] == 32


def test_clipping_logging_and_kept_checkpoints() -> None:
    found = understand(
        optimizer_config={"grad_clip": {"max_norm": 35, "norm_type": 2}},
        log_config={"hooks": [{"type": "TextLoggerHook"}, {"type": "TensorboardLoggerHook"}]},
        checkpoint_config={"interval": 3, "max_keep_ckpts": -1},
        evaluation={"metric": [{"type": "A"}, {"type": "B", "k": 5}]},
        lr_config={"policy": "step", "step": 3, "warmup": "exp", "warmup_iters": 2, "warmup_by_epoch": True},
    )
    assert found.settings["SOLVER.CLIP_GRADIENTS.VALUE"] == 35.0
    assert found.settings["MISC.TENSORBOARD"] is True
    assert (found.settings["SOLVER.SNAPSHOT_EPOCH"], found.settings["SOLVER.SNAPSHOT_KEEP"]) == (3, 0)
    assert found.components["evaluation.metric.1"].arguments == {"k": 5}
    assert found.settings["SOLVER.SCHEDULER.NAME"] == "step"
    assert (found.settings["SOLVER.SCHEDULER.WARM_UP_METHOD"], found.settings["SOLVER.SCHEDULER.WARM_UP_EPOCHS"]) == ("exponential", 2.0)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("evaluation.interval=often", "evaluation.interval: 'often' given, int expected"),
        ("data.train_dataloader.drop_last=3", "drop_last: 3 given, bool expected"),
        ("data.train_dataloader.samples_per_gpu=0", "train_dataloader: 0 given, at least 1 expected"),
        ("optimizer.lr=fast", "x.py:[0-9]+: optimizer: 'fast' given, float expected"),
        ("optimizer_config.grad_clip=3", "grad_clip: 3 given, dict or None expected"),
        ("evaluation.metric=SegMIOU", "evaluation.metric: 'SegMIOU' given, a mapping with the entry 'type'"),
        ("lr_config.warmup=slow", "lr_config: 'slow' given, one of 'linear', 'exponential', 'constant'"),
        ("export.input_shape_list=[1,3]", "input_shape_list: .* given, list.list.int.. expected"),
        ("data.trian.type=X", "data.trian.* unknown key, nothing reads it"),
        ("data.train_dataloader.batch=3", "data.train_dataloader.batch: unknown key, nothing reads it"),
        ("lr_confg.policy=Step", "lr_confg.* unknown key, nothing reads it; did you mean lr_config"),
    ],
)
def test_what_is_wrong_is_reported_with_its_place(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(SAMPLE + FURTHER, tmp_path, override)
