import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pet.compat.translate import main
from petlib.config import read_nested

TRAINFRAMEWORK = Path(__file__).with_name("trainframework").joinpath("sample_config.py").read_text(encoding="utf-8")

ANTGO = """\
optimizer = dict(type='SGD', lr=0.05,  weight_decay=5e-4, momentum=0.9, nesterov=True)
optimizer_config = dict(grad_clip=None)
lr_config = dict(policy='CosineAnnealing', min_lr=1e-5, warmup_by_epoch=False, warmup_iters=2000, warmup='linear')
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='DDRKetNetF', in_channels=3),
    decode_head=dict(type='SimpleHead', in_channels=32, channels=32, out_channels=21, ignore_index=255)
)
_resize = dict(type='ResizeS', target_dim=(256,256))
_tensor = dict(type='ToTensor', keys=['image'])
_normal = dict(type='Normalize', mean=(0.491400, 0.482158, 0.4465231), std=(0.247032, 0.243485, 0.2615877), keys=['image'])
_squeeze = dict(type='UnSqueeze', axis=0, keys=['segments'])
_val = dict(
    type='Pascal2012', train_or_test='val', dir='./pascal2012_dataset', ext_params=dict(task_type='SEGMENTATION', aug=True),
    pipeline=[_resize, _tensor, _normal, _squeeze],
    inputs_def=dict(fields=['image', 'segments'],)
)
_val_loader = dict(samples_per_gpu=128, workers_per_gpu=2, drop_last=False, shuffle=False)
data=dict(
    train=dict(
        type='Pascal2012', train_or_test='train', dir='./pascal2012_dataset', ext_params=dict(task_type='SEGMENTATION', aug=True),
        pipeline=[
            dict(type='Rotation'),
            _resize,
            dict(type='ColorDistort'),
            dict(type='RandomFlipImage', swap_ids=[], swap_labels=[]),
            _tensor, _normal, _squeeze
        ],
        inputs_def=dict(fields=['image', 'segments'],)
    ),
    train_dataloader=dict(samples_per_gpu=128, workers_per_gpu=2, drop_last=True, shuffle=True,),
    val=_val,
    val_dataloader=_val_loader,
    test=_val,
    test_dataloader=_val_loader,
)
evaluation=dict(out_dir='./output/', interval=1, metric=dict(type='SegMIOU', class_num=21), save_best='miou', rule='greater')
"""


def write(folder: Path, text: str, name: str = "x.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def translate(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> dict[str, Any]:
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, argv)])
    captured = capsys.readouterr()
    assert stopped.value.code == 0, captured.err
    document: dict[str, Any] = yaml.safe_load(captured.out)
    return document


def complaint(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, argv)])
    captured = capsys.readouterr()
    assert (stopped.value.code, captured.out) == (2, "")
    return captured.err


def test_the_config_of_trainframework(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, TRAINFRAMEWORK)
    document = translate(capsys, path, "--to", "yaml")
    assert list(document) == ["dialect", "settings", "components", "notes", "unread"]
    assert document["dialect"] == "trainframework"
    settings, components = document["settings"], document["components"]
    assert settings["SOLVER"]["SCHEDULER"]["TOTAL_ITERS"] == 200000
    assert (settings["TRAIN"]["BATCH_SIZE"], settings["SOLVER"]["SNAPSHOT_ITER"], settings["SOLVER"]["SNAPSHOT_KEEP"]) == (8, 5000, 20)
    assert settings["SOLVER"]["EMA"] == {"ENABLED": True, "DECAY": 0.995}
    assert settings["MISC"]["CKPT"] == "/data"
    assert components["model.generator"] == {
        "name": "MyNetwork",
        "arguments": {"my_network_param": "my_network_param"},
        "place": f"{path}:56: trainer.model.generator",
    }
    assert components["solver.generator.optimizer"]["arguments"] == {"lr": 0.01, "weight_decay": 1e-6}
    jitter = components["data.train"]["arguments"]["transformer"][2]
    assert (jitter["name"], jitter["hue_limit"]) == ("RandomColorJitter", [-0.1, 0.1])
    assert any("240000" in note for note in document["notes"]), document["notes"]
    unread = [line.split(": ")[1] for line in document["unread"]]
    assert unread and all(key.startswith("trainer.model.loss") for key in unread), "the losses are left to the user's model"


def test_a_yaml_config_in_capital_letters_means_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, TRAINFRAMEWORK)
    of_python, values = translate(capsys, path), read_nested(path).to_dict()
    sections = {name: values[name] for name in ("dataloader", "trainer", "solver")}
    loud: dict[str, Any] = {name.upper(): {key.upper(): value for key, value in section.items()} for name, section in sections.items()}
    loud |= {"OUTPUT_DIR": values["output_dir"], "OUTPUT_LOG_NAME": values["output_log_name"]}
    of_yaml = translate(capsys, write(tmp_path, yaml.safe_dump(loud), "x.yaml"))
    assert of_yaml["settings"] == of_python["settings"]
    parts = ("name", "arguments")
    for key, component in of_python["components"].items():
        assert [of_yaml["components"][key][part] for part in parts] == [component[part] for part in parts]


def test_the_config_of_antgo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = translate(capsys, write(tmp_path, ANTGO))
    assert list(document) == ["dialect", "settings", "components", "notes"]
    assert document["dialect"] == "antgo"
    solver, components = document["settings"]["SOLVER"], document["components"]
    assert (solver["OPTIMIZER"]["NAME"], solver["OPTIMIZER"]["BASE_LR"], solver["OPTIMIZER"]["NESTEROV"]) == ("SGD", 0.05, True)
    assert solver["SCHEDULER"]["WARM_UP_ITERS"] == 2000
    assert document["settings"]["EVAL"] == {"PERIOD_EPOCH": 1, "BEST_METRIC": "miou", "BEST_RULE": "greater"}
    assert components["model"]["arguments"]["decode_head"]["out_channels"] == 21
    assert components["data.train.pipeline.1"] | {"place": ""} == {"name": "ResizeS", "arguments": {"target_dim": [256, 256]}, "place": ""}
    assert components["data.test"]["arguments"]["inputs_def"] == {"fields": ["image", "segments"]}
    assert components["evaluation.metric"]["arguments"] == {"class_num": 21}


@pytest.mark.parametrize("order", [0, 1, 2])
def test_overrides_may_be_anywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str], order: int) -> None:
    words = [str(write(tmp_path, ANTGO)), "model.backbone.in_channels=4", "data.train.pipeline.1.target_dim=(64,32)"]
    words[order:order] = ["--dialect", "antgo"]
    components = translate(capsys, *words)["components"]
    assert components["model"]["arguments"]["backbone"]["in_channels"] == 4
    assert components["data.train.pipeline.1"]["arguments"] == {"target_dim": [64, 32]}
    assert components["data.val.pipeline.0"]["arguments"] == {"target_dim": [256, 256]}


def test_equal_values_are_written_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(write(tmp_path, ANTGO))])
    out = capsys.readouterr().out
    assert "&id" not in out
    assert out.startswith(f"# {tmp_path}/x.py, a config of antgo")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            ANTGO,
            ["evaluation.save_bst=iou"],
            "command line: evaluation.save_bst: unknown key, nothing reads it; did you mean evaluation.save_best?",
        ),
        (
            ANTGO.replace("lr_config", "lr_confg"),
            [],
            "x.py:3: lr_confg: unknown key, nothing reads it; did you mean lr_config or log_config?",
        ),
        (TRAINFRAMEWORK, ["solver.max_iter=many"], "command line: solver.max_iter: 'many' given, int expected"),
        (TRAINFRAMEWORK, ["--to", "json"], "invalid choice: 'json'"),
        (TRAINFRAMEWORK, ["--dialect", "mmcv"], "invalid choice: 'mmcv'"),
        (
            "model = dict(type='X')\n",
            [],
            "the keys at its top are those of no dialect: model; solver and trainer are those of trainframework, data and ",
        ),
        ("", [], "no dialect: there are none"),
        (TRAINFRAMEWORK + "data = dict()\nmodel = dict()\n", [], "more than one dialect"),
        ("import os\n", [], "x.py:1: only assignments of data"),
    ],
)
def test_mistakes_are_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, options: list[str], message: str) -> None:
    error = complaint(capsys, write(tmp_path, text), *options)
    assert message in error
    assert "Traceback" not in error


def test_a_dialect_that_is_named_is_not_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "x.py: solver.train_per_batch: missing" in complaint(
        capsys, write(tmp_path, ANTGO + "output_dir = 'x'\n"), "--dialect", "trainframework"
    )


def test_the_command_runs_without_torch(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "pet.compat.translate", str(write(tmp_path, TRAINFRAMEWORK)), "--to", "yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["dialect"] == "trainframework"
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "pet.compat.shared.translation" in imported
    assert not imported & {"torch", "numpy", "cv2"}
