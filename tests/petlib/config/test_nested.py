import pickle
from pathlib import Path
from typing import Any

import pytest

from petlib.config import ConfigError, NestedConfig, nested_of, read_nested

SAMPLE = """\
optimizer = dict(type='SGD', lr=0.05, nesterov=True)
optimizer_config = dict(grad_clip=None)
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='Tiny',
        in_channels=3
    )
)
data = dict(
    train=dict(
        dir='./voc',
        pipeline=[
            dict(type='Rotation'),
            dict(type='ResizeS',
                 target_dim=(256, 256)),
        ]
    )
)
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def sample(folder: Path, *overrides: str, **options: Any) -> NestedConfig:
    return read_nested(write(folder, "x.py", SAMPLE), overrides, **options)


def test_values_are_read_by_dotted_keys_and_positions(tmp_path: Path) -> None:
    config = sample(tmp_path)
    assert config.path == tmp_path / "x.py"
    assert config.get("optimizer.lr", type=float) == 0.05
    assert config.get("model.backbone") == {"type": "Tiny", "in_channels": 3}
    assert config.get("data.train.pipeline.1.target_dim") == (256, 256)
    assert config.get("data.train.pipeline.1.target_dim", type=list[int]) == [256, 256]
    assert config.get("optimizer_config.grad_clip", 5) is None
    assert config.get("evaluation.interval", 1, type=int) == 1
    assert (config.has("model"), config.has("model.neck"), config.has("data.train.pipeline.2")) == (True, False, False)


def test_a_component_is_its_name_and_its_arguments(tmp_path: Path) -> None:
    config = sample(tmp_path)
    model = config.component("model", name_key="type")
    assert (model.name, model.arguments) == ("EncoderDecoder", {"backbone": {"type": "Tiny", "in_channels": 3}})
    assert model.place == f"{tmp_path}/x.py:3: model"
    step = config.component("data.train.pipeline.1", name_key="type")
    assert (step.name, step.arguments, step.place) == ("ResizeS", {"target_dim": (256, 256)}, f"{tmp_path}/x.py:15: data.train.pipeline.1")


def test_what_is_handed_out_is_not_the_config(tmp_path: Path) -> None:
    config = sample(tmp_path)
    config.get("model").pop("backbone")
    config.to_dict()["data"]["train"]["pipeline"].clear()
    config.component("model", name_key="type").arguments["backbone"].clear()
    assert config.get("model.backbone.in_channels") == 3
    assert len(config.get("data.train.pipeline")) == 2


def test_sections_share_the_marks_and_are_empty_where_there_is_nothing(tmp_path: Path) -> None:
    config = sample(tmp_path)
    train = config.section("data").section("train")
    assert (train.get("dir"), train.place("dir")) == ("./voc", f"{tmp_path}/x.py:12: data.train.dir")
    assert train.component("pipeline.0", name_key="type").name == "Rotation"
    assert train.component("pipeline.1", name_key="type").name == "ResizeS"
    config.section("data").require_all_read()
    nothing = config.section("export")
    assert (nothing.to_dict(), nothing.has("opset"), nothing.get("opset", 17)) == ({}, False, 17)
    assert config.section("optimizer_config.grad_clip").to_dict() == {}
    for key in ("model", "optimizer", "optimizer_config"):
        config.get(key)
    config.require_all_read()


def test_the_place_of_a_key(tmp_path: Path) -> None:
    config = sample(tmp_path, "model.backbone.in_channels=4", "model.neck.type", "FPN")
    assert config.place("data.train.pipeline.1.target_dim") == f"{tmp_path}/x.py:16: data.train.pipeline.1.target_dim"
    assert config.place("model.backbone.in_channels") == "command line: model.backbone.in_channels"
    assert config.place("model.neck.type") == "command line: model.neck.type"
    assert config.place("model.backbone.depth") == f"{tmp_path}/x.py:5: model.backbone.depth"
    assert config.place("runtime") == f"{tmp_path}/x.py: runtime"


def test_overrides_change_one_place_only(tmp_path: Path) -> None:
    path = write(tmp_path, "x.py", "_size = dict(target_dim=(256, 256))\ntrain = [_size]\nval = [_size]\nneck = None\n")
    config = read_nested(path, ["train.0.target_dim=(64,64)", "neck.type=FPN", "val.0.target_dim.1", "32", "lr=1e-3", "extra={'a': 1}"])
    expected = {
        "train": [{"target_dim": (64, 64)}],
        "val": [{"target_dim": (256, 32)}],
        "neck": {"type": "FPN"},
        "lr": 0.001,
        "extra": {"a": 1},
    }
    assert config.to_dict() == expected


def test_names_may_have_dots_themselves(tmp_path: Path) -> None:
    path = write(tmp_path, "x.py", "rates = {'backbone.conv1': 0.1, 'head': dict(lr=1), 0: 'cat'}\n")
    config = read_nested(path, ["rates.backbone.conv1=0.2", "rates.head.lr=2", "rates.0=dog", "rates.neck.lr=3"])
    assert config.get("rates") == {"backbone.conv1": 0.2, "head": {"lr": 2}, 0: "dog", "neck": {"lr": 3}}
    assert config.get("rates.backbone.conv1") == 0.2
    assert config.place("rates.backbone.conv2") == f"{path}:1: rates.backbone.conv2"
    assert not config.has("rates.backbone")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "data.train.pipeline.2.type=X",
            r"command line: data.train.pipeline.2.type: 2 given, a position from 0 to 1 of the list in .*:13 ",
        ),
        ("data.train.pipeline.first=X", r"first given, a position from 0 to 1"),
        ("optimizer.lr.max=3", r"command line: optimizer.lr.max: max given, but there is nothing below the value 0.05 in .*x.py:1$"),
        ("model..type=3", r"command line: model..type: a dotted key expected"),
        ("model.type", r"command line: model.type: no value given"),
    ],
)
def test_overrides_that_lead_nowhere(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        sample(tmp_path, override)


def test_a_base_is_merged_and_may_be_replaced(tmp_path: Path) -> None:
    write(tmp_path, "base.py", SAMPLE)
    write(tmp_path, "schedule.yaml", "lr_config: {policy: Poly, power: 0.9}\noptimizer: {lr: 0.1}\n")
    text = """\
_base_ = ['base.py', 'schedule.yaml']
optimizer = dict(weight_decay=1e-6)
model = dict(backbone=dict(_delete_=True, type='Other', _delete_later=1), neck=dict(_delete_=False, type='FPN'))
data = dict(train=dict(pipeline=[dict(type='ToTensor')]))
"""
    config = read_nested(write(tmp_path, "x.py", text))
    assert config.get("optimizer") == {"type": "SGD", "lr": 0.1, "nesterov": True, "weight_decay": 1e-6}
    assert config.get("model") == {
        "type": "EncoderDecoder",
        "backbone": {"type": "Other", "_delete_later": 1},
        "neck": {"type": "FPN"},
    }
    assert config.get("data.train") == {"dir": "./voc", "pipeline": [{"type": "ToTensor"}]}
    assert config.get("lr_config.policy") == "Poly"
    assert not config.has("_base_")
    places = {key: config.place(key).removeprefix(f"{tmp_path}/") for key in ("optimizer.lr", "optimizer.nesterov", "model.type")}
    assert places == {
        "optimizer.lr": "schedule.yaml:2: optimizer.lr",
        "optimizer.nesterov": "base.py:1: optimizer.nesterov",
        "model.type": "base.py:4: model.type",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("_base_ = 'nothere.py'", r"nothere.py: there is no such config file"),
        ("_base_ = 3", r"x.py:1: _base_: 3 given, a file name or a list of them expected"),
        ("_base_ = 'x.py'", r"leads back to a file that is being read"),
        ("model = build()", r"x.py:1: model: 'build\(\)' is not plain data"),
        ("model = dict(neck=dict(_delete_=1))", r"x.py:1: _delete_: 1 given, True or False expected"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_nested(write(tmp_path, "x.py", text))


def test_yaml_means_the_same_and_keeps_lines_in_lists(tmp_path: Path) -> None:
    text = """\
optimizer: {type: Adam, lr: 1e-3, weight_decay: 1.e-6, name: e-3}
classes: {0: cat, 1: dog}
pipeline:
  - &flip
    name: RandomFlip
    p: 0.5
  - name: Resize
    size: [256, 256]
  - *flip
  - {<<: *flip, p: 1}
"""
    config = read_nested(write(tmp_path, "x.yaml", text))
    assert config.get("optimizer") == {"type": "Adam", "lr": 0.001, "weight_decay": 1e-6, "name": "e-3"}
    assert config.get("classes") == {0: "cat", 1: "dog"}
    assert config.get("classes.1") == "dog"
    assert config.get("pipeline.3") == {"name": "RandomFlip", "p": 1}
    assert config.place("pipeline.1.size") == f"{tmp_path}/x.yaml:8: pipeline.1.size"
    assert config.place("pipeline.2") == f"{tmp_path}/x.yaml:4: pipeline.2"


def test_a_key_given_twice_is_found_in_lists_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_nested(write(tmp_path, "x.yaml", "a: {b: 1, b: 2}\npipeline:\n  - p: 1\n    p: 2\n"))
    lines = str(caught.value).splitlines()
    assert [line.rpartition("x.yaml:")[2] for line in lines] == [
        "1: a.b: given twice, first in line 1; keep one",
        "4: pipeline[0].p: given twice, first in line 3; keep one",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x {b: *x}\n", r"x.yaml:1: a mapping refers to itself; write the values out"),
        ("a: &x [1, *x]\n", r"x.yaml:1: a list refers to itself; write the values out"),
        ("a: [{? [1, 2] : 3}]\n", r"x.yaml:1:8: not valid YAML: found unhashable key"),
        ("a: [1\n", r"x.yaml:\d:\d: not valid YAML"),
    ],
)
def test_yaml_that_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_nested(write(tmp_path, "x.yaml", text))


def test_either_case_of_letters(tmp_path: Path) -> None:
    write(tmp_path, "base.py", "trainer = dict(name='MyTrainer', model=dict(Depth=3))\n")
    path = write(tmp_path, "x.py", "_BASE_ = 'base.py'\nTRAINER = dict(MODEL=dict(NAME='MyModel', C=8))\n")
    config = read_nested(path, ["Trainer.Weights=w.pth"], ignore_case=True)
    assert config.get("trainer.weights") == "w.pth"
    assert config.get("TRAINER.NAME") == "MyTrainer"
    model = config.component("trainer.model", name_key="name")
    assert (model.name, model.arguments) == ("MyModel", {"Depth": 3, "C": 8})
    config.require_all_read()
    with pytest.raises(ConfigError, match="trainer.name: missing"):
        nested_of({"trainer": {"NAME": "MyTrainer"}}, source="program").get("trainer.name")


def test_names_that_differ_only_in_case_are_refused_when_case_does_not_count(tmp_path: Path) -> None:
    config = read_nested(write(tmp_path, "x.py", "a = dict(Loss=1,\n  LOSS=2)\n"), ignore_case=True)
    with pytest.raises(ConfigError, match=r"x.py:1: Loss and LOSS differ only in the case of letters"):
        config.get("a.loss")
    assert config.get("a.LOSS") == 2


@pytest.mark.parametrize(
    ("key", "options", "message"),
    [
        ("optimizer.lr", {"type": int}, r"x.py:1: optimizer.lr: 0.05 given, int expected"),
        ("model.backbone", {"type": float}, r"x.py:5: model.backbone: \{.*\} given, float expected"),
        ("modle.neck.type", {}, r"x.py: modle.neck.type: missing, and it has no default; did you mean model\?"),
        ("model.backbone.in_chanels", {}, r"x.py:5: model.backbone.in_chanels: missing, and it has no default; did you mean in_channels\?"),
        (
            "evaluation.metric.type",
            {},
            r"x.py: evaluation.metric.type: missing, and it has no default; there is optimizer, opt",
        ),
    ],
)
def test_values_that_do_not_fit(tmp_path: Path, key: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        sample(tmp_path).get(key, **options)


@pytest.mark.parametrize(
    ("key", "name_key", "message"),
    [
        ("neck", "type", r"x.py: neck: missing"),
        ("optimizer.lr", "type", r"x.py:1: optimizer.lr: 0.05 given, a mapping with the entry 'type' expected"),
        ("model", "name", r"x.py:3: model: the entry 'name' is missing, which names what to build; it has type, backbone"),
        ("model", "typ", r"the entry 'typ' is missing, which names what to build; did you mean type\?"),
        ("model", "backbone", r"x.py:5: model.backbone: \{.*\} given, a name expected"),
    ],
)
def test_entries_that_name_nothing(tmp_path: Path, key: str, name_key: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        sample(tmp_path).component(key, name_key=name_key)


def test_a_section_that_is_a_value(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x.py:13: data.train.pipeline: \[.*\] given, a mapping expected"):
        sample(tmp_path).section("data.train.pipeline")


def test_unread_keys_are_reported_with_the_nearest_one(tmp_path: Path) -> None:
    config = read_nested(
        write(
            tmp_path,
            "x.py",
            "optimizer = dict(type='SGD',\n  lr=0.1)\nlr_confg = dict(policy='Poly',\n  power=1)\nrunner = dict(max_iter=3, ema=dict())\n"
            "data = dict(val=3,\n  pipeline=[dict(a=1),\n  dict(b=1)])\nclip = None\n",
        ),
        ["optimizer.weight_deca=0"],
    )
    assert config.get("optimizer.lr") == 0.1
    config.get("optimizer.type")
    config.get("optimizer.weight_decay", 0)
    config.section("lr_config").get("policy", "Fixed")
    config.get("solver.max_iter", None)
    config.section("runner").section("ema")
    config.section("data").get("val.dir", "")
    config.get("data.pipeline.0")
    config.get("clip.max_norm", None)
    with pytest.raises(ConfigError) as caught:
        config.require_all_read()
    count, *lines = str(caught.value).replace(f"{tmp_path}/", "").splitlines()
    assert count == "5 mistakes:"
    assert lines == [
        "command line: optimizer.weight_deca: unknown key, nothing reads it; did you mean optimizer.weight_decay?",
        "x.py:3: lr_confg: unknown key, nothing reads it; did you mean lr_config?",
        "x.py:5: runner.max_iter: unknown key, nothing reads it; did you mean solver.max_iter?",
        "x.py:6: data.val: 3 given, a mapping with dir expected",
        "x.py:8: data.pipeline.1: unknown key, nothing reads it; known here: 0",
    ]


def test_a_variable_that_other_values_are_made_of_counts_as_read(tmp_path: Path) -> None:
    text = "size = 4\nnorm = dict(mean=0.5)\nunused = 1\nmodel = dict(width=2 * size, norm=norm)\n"
    config = read_nested(write(tmp_path, "x.py", text))
    assert config.get("model") == {"width": 8, "norm": {"mean": 0.5}}
    with pytest.raises(ConfigError, match=r"^\S*x.py:3: unused: unknown key, nothing reads it; known here: model$"):
        config.require_all_read()


def test_an_override_of_such_a_variable_comes_too_late_and_is_reported(tmp_path: Path) -> None:
    config = read_nested(write(tmp_path, "x.py", "size = 4\nmodel = dict(width=size)\n"), ["size=8"])
    assert config.get("model.width") == 4
    with pytest.raises(ConfigError, match="command line: size: unknown key, nothing reads it"):
        config.require_all_read()


def test_a_config_from_a_program_keeps_its_objects_and_travels() -> None:
    class Anything:
        pass

    thing = Anything()
    config = nested_of({"data": {"set": thing, "pair": (1, 2)}}, source="train.py")
    assert config.get("data.set") is thing
    assert config.place("data.pair") == "train.py: data.pair"
    assert config.path is None
    again = pickle.loads(pickle.dumps(nested_of({"a": {"b": [1]}}, source="s")))
    assert again.get("a.b.0") == 1
    with pytest.raises(ConfigError, match="^train.py: data.sett: missing"):
        config.get("data.sett")
