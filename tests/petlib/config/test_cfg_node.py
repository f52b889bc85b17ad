import copy
import pickle
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from petlib.config import PETLIB_SCHEMA, CfgNode, ConfigError, Key, load_cfg, merge_schemas, read_layers, with_defaults
from petlib.config.layers import recorded_type

SCHEMA = merge_schemas(
    PETLIB_SCHEMA,
    {
        "MODEL": {
            "BACKBONE": Key("resnet20", "network"),
            "ARGS": Key({}, "free names"),
            "SIZES": Key([1, 2], "sizes", type=list[int]),
            "RATE": Key(None, "rate", type=float | None, minimum=0),
        }
    },
)
TASK = SimpleNamespace(get_base_cfg=lambda: CfgNode(SCHEMA), infer_cfg=lambda cfg: None)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def load(folder: Path, text: str, *overrides: str) -> CfgNode:
    return load_cfg(TASK, write(folder, "x.yaml", "SOLVER: {SCHEDULER: {TOTAL_EPOCHS: 3}}\n" + text), overrides)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("MODEL.SIZE", "did you mean MODEL.SIZES?"),
        ("TRAIN.SEED", "did you mean MISC.SEED?"),
        ("BASE_LR", "did you mean SOLVER.OPTIMIZER.BASE_LR?"),
        ("OPTIMIZER.BASE_LR", "did you mean SOLVER.OPTIMIZER.BASE_LR?"),
        ("SOLVER.OPTIMZER.BASE_LR", "did you mean SOLVER.OPTIMIZER.BASE_LR?"),
        ("SOLVR.OPTIMIZER.BASELR", "did you mean SOLVER.OPTIMIZER.BASE_LR?"),
        ("MODEL.SIZES.WIDTH", "did you mean MODEL.SIZES?"),
        # keys of another task: the same last word in another section is no hint
        ("MODEL.MASK.SEED", "MODEL has BACKBONE, ARGS, SIZES, RATE"),
        ("MODEL.MASK.POOL", "MODEL has BACKBONE, ARGS, SIZES, RATE"),
        ("MODEL.BOX.RAT", "MODEL has BACKBONE, ARGS, SIZES, RATE"),
        ("SEMI.WEIGHT", "the config has MISC, ANALYSER, SOLVER, TRAIN, TEST, EVAL, DATA, MODEL"),
    ],
)
def test_an_unknown_key_is_reported_with_what_may_be_meant(key: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        CfgNode(SCHEMA).merge_from_list([f"{key}=1"])
    assert str(error.value).endswith(f"{key}: unknown key; {message}")


def test_a_similar_key_of_the_section_is_nearer_than_the_same_name_in_another_one() -> None:
    schema = {"TEST": {"RESIZE": {"SCALES": Key([8], "Sizes.")}}, "VIS": {"SCALE": Key(1.0, "Size of pictures.")}}
    for key, meant in (("TEST.RESIZE.SCALE", "TEST.RESIZE.SCALES"), ("TEST.SCALE", "VIS.SCALE"), ("SCALE", "VIS.SCALE")):
        with pytest.raises(ConfigError, match=rf"{key}: unknown key; did you mean {meant}\?$"):
            CfgNode(schema).merge_from_list([f"{key}=1"])


@pytest.mark.parametrize("words", [["TRAIN.WEIGHTS", ""], ["TRAIN.WEIGHTS="], ["TRAIN.WEIGHTS", "''"]])
def test_the_command_line_can_give_an_empty_text(words: list[str]) -> None:
    cfg = CfgNode({"TRAIN": {"WEIGHTS": Key("timm", "Where the weights come from.")}})
    cfg.merge_from_list(words)
    assert cfg.TRAIN.WEIGHTS == ""


def test_a_name_may_come_with_arguments(tmp_path: Path) -> None:
    schema = merge_schemas(SCHEMA, {"TEST": {"TRACKER": Key("fairmot", "A name, or a mapping.", type=str | dict)}})
    task = SimpleNamespace(get_base_cfg=lambda: CfgNode(schema), infer_cfg=lambda cfg: None)
    lines = "SOLVER: {SCHEDULER: {TOTAL_EPOCHS: 3}}\n"
    path = write(tmp_path, "x.yaml", f"{lines}TEST:\n  TRACKER: {{name: sort, buffer: 2}}\n")
    cfg = load_cfg(task, path)
    assert cfg.TEST.TRACKER == {"name": "sort", "buffer": 2}
    assert yaml.safe_load(cfg.dump())["TEST"]["TRACKER"] == {"name": "sort", "buffer": 2}
    assert load_cfg(task, path, ["TEST.TRACKER=bytetrack"]).TEST.TRACKER == "bytetrack"
    plain = write(tmp_path, "y.yaml", f"{lines}TEST: {{TRACKER: sort}}\n")
    assert load_cfg(task, plain).TEST.TRACKER == "sort"
    assert load_cfg(task, plain, ["TEST.TRACKER={name: sort, buffer: 3}"]).TEST.TRACKER == {"name": "sort", "buffer": 3}
    with pytest.raises(ConfigError, match=r"TEST.TRACKER: 3 \(int\) given, str or dict expected"):
        load_cfg(task, plain, ["TEST.TRACKER=3"])


def test_command_line_over_file_over_base_over_defaults(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", "SOLVER:\n  SCHEDULER: {TOTAL_EPOCHS: 3}\nMISC: {SEED: 10, DISPLAY_ITER: 11}\nTRAIN: {BATCH_SIZE: 12}\n")
    path = write(tmp_path, "x.yaml", "_BASE_: base.yaml\nMISC: {DISPLAY_ITER: 21}\nTRAIN: {BATCH_SIZE: 22}\n")
    cfg = load_cfg(TASK, path, ["TRAIN.BATCH_SIZE", "32"])
    assert (cfg.MISC.SEED, cfg.MISC.DISPLAY_ITER, cfg.TRAIN.BATCH_SIZE) == (10, 21, 32)
    assert cfg.SOLVER.OPTIMIZER.MOMENTUM == 0.9


def test_overrides_come_as_pairs_and_with_an_equals_sign(tmp_path: Path) -> None:
    cfg = load(tmp_path, "", "MISC.SEED", "5", "MODEL.BACKBONE=resnet56", "MODEL.SIZES", "(7, 8)", "MODEL.ARGS.a.b=1e-3", "MODEL.RATE=0.5")
    assert (cfg.MISC.SEED, cfg.MODEL.BACKBONE, cfg.MODEL.SIZES) == (5, "resnet56", [7, 8])
    assert cfg.MODEL.ARGS == {"a": {"b": 0.001}}
    assert cfg.MODEL.RATE == 0.5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("SOLVER:\n  OPTIMIZER:\n    BASE_LR: 1", 1.0),
        ("SOLVER:\n  OPTIMIZER:\n    BASE_LR: 1e-3", 0.001),
        ('SOLVER:\n  OPTIMIZER:\n    BASE_LR: "0.5"', 0.5),
    ],
)
def test_numbers_become_floats_where_floats_belong(tmp_path: Path, text: str, value: float) -> None:
    write(tmp_path, "x.yaml", text)
    cfg = CfgNode(SCHEMA)
    cfg.merge_from_file(tmp_path / "x.yaml")
    assert cfg.SOLVER.OPTIMIZER.BASE_LR == value
    assert type(cfg.SOLVER.OPTIMIZER.BASE_LR) is float


def test_a_python_config_is_data_and_means_the_same(tmp_path: Path) -> None:
    text = '"""doc"""\n_size = 4\nSOLVER = dict(SCHEDULER={"TOTAL_EPOCHS": 3})\nMODEL = dict(SIZES=(_size, 2 * 3), ARGS=dict(x=-1))\n'
    cfg = load_cfg(TASK, write(tmp_path, "x.py", text))
    assert cfg.MODEL.SIZES == [4, 6]
    assert cfg.MODEL.ARGS == {"x": -1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import os\n", r"x.py:1: only assignments of data"),
        ("MISC = dict(SEED=open('x'))\n", r"x.py:1: MISC.SEED: .*is not plain data"),
        ("MISC = dict(SEED=[1 for _ in 'a'])\n", r"x.py:1: MISC.SEED: .*int expected"),
        ("MISC = dict(\n", r"x.py:1:12: not valid Python"),
    ],
)
def test_a_python_config_is_not_executed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_cfg(TASK, write(tmp_path, "x.py", text))


def test_all_mistakes_are_reported_at_once_with_their_lines(tmp_path: Path) -> None:
    text = "SOLVER:\n  SCHEDULER: {TOTAL_EPOCHS: 3}\n  OPTIMZER: {BASE_LR: 1}\n  BASE_LR: 2\nMISC:\n  SEED: x\n  SEED: 3\n  DEVICE: tpu\n"
    with pytest.raises(ConfigError) as error:
        load_cfg(TASK, write(tmp_path, "x.yaml", text), ["MISC.SED", "1", "TRAIN.WEIGHTS"])
    lines = str(error.value).splitlines()
    assert lines[0] == "7 mistakes:" or lines[0] == "6 mistakes:"
    expected = [
        "x.yaml:7: MISC.SEED: given twice, first in line 6; keep one",
        "x.yaml:3: SOLVER.OPTIMZER.BASE_LR: unknown key; did you mean SOLVER.OPTIMIZER.BASE_LR?",
        "x.yaml:4: SOLVER.BASE_LR: unknown key; did you mean SOLVER.OPTIMIZER.BASE_LR?",
        "x.yaml:8: MISC.DEVICE: 'tpu' (str) given, one of 'auto', 'cuda', 'cpu' expected",
        "command line: MISC.SED: unknown key; did you mean MISC.SEED?",
        "command line: TRAIN.WEIGHTS: no value given; write TRAIN.WEIGHTS VALUE or TRAIN.WEIGHTS=VALUE",
    ]
    for line in expected:
        assert any(given.endswith(line) for given in lines), f"{line!r} is not in {lines}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MISC: [1, 2", r"x.yaml:\d+:\d+: not valid YAML"),
        ("- 1\n- 2\n", r"this file holds a list"),
        ("MISC: 3\nSOLVER: {SCHEDULER: {TOTAL_EPOCHS: 1}}", r"MISC: 3 given, a section with"),
        ("SOLVER: {SCHEDULER: {TOTAL_EPOCHS: true}}", r"True \(bool\) given, int expected"),
        ("SOLVER: {SCHEDULER: {TOTAL_EPOCHS: -1}}", r"-1 \(int\) given, at least 0 expected"),
        ("MODEL: {SIZES: [a]}", r"list\[int\] expected"),
        ("MODEL: {RATE: fast}", r"float or None expected"),
        ("MISC: {SEED: 1}", r"exactly one of them must be positive"),
        ("SOLVER: {SCHEDULER: {TOTAL_EPOCHS: 1, TOTAL_ITERS: 2}}", r"exactly one of them must be positive"),
        ("_BASE_: nothere.yaml", r"nothere.yaml: there is no such config file"),
        ("_BASE_: package:petlib.nothing/a.yaml", r"there is no package petlib.nothing; package:PACKAGE/FILE expected"),
        ("_BASE_: package:petlib.config/nothere.yaml", r"config/nothere.yaml: there is no such config file"),
        ("_BASE_: 3", r"_BASE_: 3 given, a file name or a list of them expected"),
        ("_BASE_: x.yaml", r"leads back to a file"),
    ],
)
def test_messages(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_cfg(TASK, write(tmp_path, "x.yaml", text))


def test_a_missing_file_names_the_nearest_one(tmp_path: Path) -> None:
    write(tmp_path, "resnet20.yaml", "")
    with pytest.raises(ConfigError, match=r"resnet02.yaml: there is no such config file; did you mean resnet20.yaml\?"):
        load_cfg(TASK, tmp_path / "resnet02.yaml")
    with pytest.raises(ConfigError, match="the path exists only up to"):
        load_cfg(TASK, tmp_path / "a" / "b.yaml")


def test_the_dumped_config_gives_the_same_config(tmp_path: Path) -> None:
    cfg = load(tmp_path, "MODEL: {SIZES: [3], ARGS: {a: [1, {b: null}]}}", "MISC.SEED=9")
    again = load_cfg(TASK, write(tmp_path, "saved.yaml", cfg.dump()))
    assert again.to_dict() == cfg.to_dict()
    assert yaml.safe_load(cfg.dump()) == cfg.to_dict()


def test_a_loaded_config_is_frozen_and_travels(tmp_path: Path) -> None:
    cfg = load(tmp_path, "")
    with pytest.raises(AttributeError):
        cfg.MISC.SEED = 4
    with pytest.raises(ConfigError, match="frozen"):
        cfg.set("MISC.SEED", 4)
    for other in (copy.deepcopy(cfg), cfg.clone(), pickle.loads(pickle.dumps(cfg))):
        assert other.to_dict() == cfg.to_dict()


def test_defaults_are_not_shared_between_configs() -> None:
    first = CfgNode(SCHEMA)
    first.MODEL.SIZES.append(3)
    first.MODEL.ARGS["x"] = 1
    assert CfgNode(SCHEMA).MODEL.SIZES == [1, 2]
    assert CfgNode(SCHEMA).MODEL.ARGS == {}


@pytest.mark.parametrize(
    ("path", "folder"),
    [("cfgs/vision/digits/a.yaml", "ckpts/vision/digits/a"), ("/x/cfgs/b.v2.yaml", "ckpts/b.v2"), ("/elsewhere/c.yaml", "ckpts/c")],
)
def test_the_output_folder_follows_the_path_of_the_config(tmp_path: Path, path: str, folder: str) -> None:
    file = write(tmp_path, path.lstrip("/"), "SOLVER: {SCHEDULER: {TOTAL_EPOCHS: 3}}\n")
    assert load_cfg(TASK, file).MISC.CKPT == folder


def test_every_key_has_a_meaning_that_ends_with_a_full_stop() -> None:
    def keys(schema: object) -> list[Key]:
        return [schema] if isinstance(schema, Key) else [key for entry in schema.values() for key in keys(entry)]  # type: ignore[attr-defined]

    assert all(key.meaning.endswith(".") for key in keys(PETLIB_SCHEMA))
    assert all(key.check(key.default) == key.default for key in keys(PETLIB_SCHEMA))


def test_a_schema_gets_other_defaults_and_keeps_all_else() -> None:
    schema = {"MODEL": {"BINARY": Key(False, "One channel."), "SIZES": Key([], "Sizes.", type=list[int])}, "RATE": Key(1.0, "Rate.")}
    changed = CfgNode(with_defaults(schema, {"MODEL.BINARY": True, "RATE": 2, "MODEL.SIZES": [3]}))
    assert (changed.MODEL.BINARY, changed.RATE, changed.MODEL.SIZES) == (True, 2.0, [3])
    assert CfgNode(schema).MODEL.BINARY is False
    with pytest.raises(AssertionError, match=r"no key MODEL\.BINARI"):
        with_defaults(schema, {"MODEL.BINARI": True})


def test_a_base_may_lie_in_an_installed_package(tmp_path, monkeypatch) -> None:
    package = tmp_path / "own_presets"
    package.mkdir()
    (package / "__init__.py").touch()
    write(package, "small.yaml", "TRAIN: {BATCH_SIZE: 21}\n")
    monkeypatch.syspath_prepend(tmp_path)
    layers = read_layers(write(tmp_path, "x.yaml", "_BASE_: package:own_presets/small.yaml\nMISC: {DISPLAY_ITER: 7}\n"))
    assert [(entry.key, entry.value) for layer in layers for entry in layer.entries] == [("TRAIN.BATCH_SIZE", 21), ("MISC.DISPLAY_ITER", 7)]


def test_a_key_of_earlier_versions_names_the_new_one(tmp_path: Path) -> None:
    message = r"x.yaml:2: SOLVER.STOP_ON_NONFINITE: this key is gone; write SOLVER.NONFINITE, with stop for True and ignore for False$"
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, "", "MISC.SEED=3") and load(tmp_path, "SOLVER.STOP_ON_NONFINITE: False")


def test_the_dump_of_a_run_says_its_task_and_is_read_again(tmp_path):
    path = write(tmp_path, "x.yaml", "SOLVER: {SCHEDULER: {TOTAL_EPOCHS: 3}}\n")
    text = load_cfg(TASK, path, type_folder="tasks/cls").dump()
    assert text.startswith("_TYPE_: tasks/cls\n")
    assert not load_cfg(TASK, path).dump().startswith("_TYPE_")
    record = write(tmp_path, "config.yaml", text)
    assert recorded_type(record) == "tasks/cls"
    assert load_cfg(TASK, record, type_folder="tasks/cls").dump() == text
    python = write(tmp_path, "config.py", "_TYPE_ = 'vision'\n_base_ = 'config.yaml'\n")
    assert recorded_type(python) == "vision"


def test_a_task_that_is_no_text_is_refused(tmp_path):
    path = write(tmp_path, "x.yaml", "MISC: {SEED: 1}\n_TYPE_: [vision]\n")
    with pytest.raises(ConfigError, match=r"x.yaml:2: _TYPE_: \['vision'\] given, the folder of a task expected"):
        read_layers(path)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("MISC.STORAGE=ftp://x/y", "^MISC.STORAGE ftp://x/y: an address such as s3://bucket/prefix, gs://... or az://... expected$"),
        ("MISC.STORAGE=gs://", "^MISC.STORAGE gs://: the bucket is missing, gs://bucket/prefix expected$"),
        ("MISC.STORAGE=runs/a", "^MISC.STORAGE runs/a: an address such as .* expected; a folder of this machine is MISC.CKPT$"),
        ("MISC.CKPT=s3://bucket/run", "^MISC.CKPT s3://bucket/run: a folder of this machine expected; a place in a store is MISC.STORAGE"),
        ("MISC.CKPT=ftp://x", "^MISC.CKPT ftp://x: a folder of this machine expected; "),
        (
            "TRAIN.WEIGHTS=s3://b/a.pth",
            "^TRAIN.WEIGHTS s3://b/a.pth: an address given, and a file of this machine expected",
        ),
    ],
)
def test_the_form_of_places_is_checked_with_the_settings(tmp_path: Path, setting: str, message: str) -> None:
    assert load(tmp_path, "", "MISC.STORAGE=s3://bucket/run").MISC.STORAGE == "s3://bucket/run"
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, "", setting)


@pytest.mark.parametrize(
    ("key", "given", "message"),
    [
        (Key("never", "", choices=("auto",)), True, "True (bool) given, one of 'never', 'auto' expected"),
        (Key([], "", type=list[str]), "int8", "'int8' (str) given, list[str], e.g. [int8], expected"),
        (Key([], "", type=list[int] | None), 3, "3 (int) given, list[int] or None, e.g. [3], expected"),
        (Key([], "", type=list[int]), "x", "'x' (str) given, list[int] expected"),
    ],
)
def test_what_is_expected_is_shown_by_words_or_an_example(key, given, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        CfgNode({"A": key}).set("A", given)
