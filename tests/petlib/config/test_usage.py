"""Settings that differ from the defaults, and settings that a run does not use."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from petlib.config import PETLIB_SCHEMA, CfgNode, ConfigError, Effect, Key, Schema, Switch, load_cfg, merge_schemas, used_if, with_effect
from petlib.config.key import flat_schema
from petlib.config.usage import describe_settings, unread_overrides, unused_settings

MASK: Schema = {"MODEL": {"MASK": {"POOL": Key(14, "Pooled size."), "DEEP": Key(False, "More."), "DEPTH": Key(2, "How much more.")}}}
SCHEMA = merge_schemas(
    PETLIB_SCHEMA,
    {
        "MODEL": {
            "HAS_MASK": Key(False, "Find masks."),
            "KIND": Key("a", "Kind of network."),
            "WIDTH": Key(4, "Width.", used_if=(Switch("MODEL.KIND", one_of=("a", "b")),)),
            "ARGS": Key({}, "Further arguments."),
            "FACTOR": Key(1.0, "Factor.", used_if=(Switch("MODEL.HAS_MASK", also=(Switch("MODEL.ARGS"),)),)),
            "OPTION": Key(1, "Option.", used_if=(Switch("MODEL.KIND", none_of=("c",)),)),
        }
    },
    used_if(MASK, Switch("MODEL.HAS_MASK")),
)
TASK = SimpleNamespace(get_base_cfg=lambda: CfgNode(SCHEMA), infer_cfg=lambda cfg: None)


def load(folder: Path, text: str, *overrides: str) -> CfgNode:
    path = folder / "x.yaml"
    path.write_text("SOLVER: {SCHEDULER: {TOTAL_ITERS: 8}}\n" + text)
    return load_cfg(TASK, path, overrides)


def test_what_a_run_does_not_use_is_refused_on_the_command_line_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, "", "MODEL.MASK.POOL=14", "MODEL.KIND=c", "MODEL.WIDTH=4", "MODEL.OPTION=3", "MODEL.FACTOR=2")
    assert str(refused.value).splitlines() == [
        "command line: MODEL.WIDTH: not used by this run: MODEL.KIND is 'c'; it counts with 'a' or 'b'",
        "command line: MODEL.FACTOR: not used by this run: MODEL.HAS_MASK is False and MODEL.ARGS is {}",
        "command line: MODEL.OPTION: not used by this run: MODEL.KIND is 'c'",
        "command line: MODEL.MASK.POOL: not used by this run: MODEL.HAS_MASK is False",
    ]


def test_what_another_setting_replaces_is_refused_unless_it_is_given_as_off(tmp_path: Path) -> None:
    given = ("SOLVER.SNAPSHOT_ITER=4", "EVAL.PERIOD_ITER=4", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=1")
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, "", *given, "SOLVER.SNAPSHOT_EPOCH=2", "EVAL.PERIOD_EPOCH=2", "SOLVER.SCHEDULER.WARM_UP_ITERS=5")
    assert str(refused.value).splitlines() == [
        "command line: SOLVER.SCHEDULER.WARM_UP_ITERS: not used by this run: SOLVER.SCHEDULER.WARM_UP_EPOCHS is 1.0; it counts with None",
        "command line: SOLVER.SNAPSHOT_EPOCH: not used by this run: SOLVER.SNAPSHOT_ITER is 4; it counts with 0",
        "command line: EVAL.PERIOD_EPOCH: not used by this run: EVAL.PERIOD_ITER is 4; it counts with 0",
    ]
    cfg = load(tmp_path, "", *given, "SOLVER.SNAPSHOT_EPOCH=0", "EVAL.PERIOD_EPOCH=0", "SOLVER.SCHEDULER.WARM_UP_ITERS=0")
    assert cfg.SOLVER.SNAPSHOT_ITER == 4


def test_what_switches_it_on_may_be_given_anywhere(tmp_path: Path) -> None:
    cfg = load(tmp_path, "MODEL: {HAS_MASK: true}", "MODEL.MASK.POOL=7", "MODEL.FACTOR=2", "MODEL.KIND=other", "MODEL.OPTION=3")
    assert unused_settings(cfg) == []
    assert load(tmp_path, "", "MODEL.ARGS={a: 1}", "MODEL.FACTOR=2").MODEL.FACTOR == 2.0
    with pytest.raises(ConfigError, match="MODEL.MASK.DEPTH: not used by this run: MODEL.MASK.DEEP is False$"):
        load_cfg(
            SimpleNamespace(get_base_cfg=lambda: CfgNode(nested_switches()), infer_cfg=lambda cfg: None),
            tmp_path / "x.yaml",
            ["MODEL.HAS_MASK=True", "MODEL.MASK.DEPTH=3"],
        )


def nested_switches() -> Schema:
    depth: Schema = {"MODEL": {"MASK": {"DEPTH": Key(2, "How much more.", used_if=(Switch("MODEL.MASK.DEEP"),))}}}
    return merge_schemas(SCHEMA, used_if(depth, Switch("MODEL.HAS_MASK")))


def test_in_a_file_it_is_listed_in_one_line_where_it_differs_from_the_default(tmp_path: Path) -> None:
    cfg = load(tmp_path, "MODEL:\n  MASK: {POOL: 7, DEEP: true, DEPTH: 2}\n  KIND: c\n  WIDTH: 5\n")
    (line,) = (line for line in describe_settings(cfg).splitlines() if "not used" in line)
    assert line == (
        "  not used by this run: MODEL.WIDTH (MODEL.KIND is 'c'; it counts with 'a' or 'b'); "
        "MODEL.MASK.POOL, MODEL.MASK.DEEP (MODEL.HAS_MASK is False)"
    )


def test_the_record_of_a_run_which_names_every_setting_lists_nothing(tmp_path: Path) -> None:
    cfg = load(tmp_path, "", "MISC.SEED=5")
    (tmp_path / "record.yaml").write_text(cfg.dump())
    again = load_cfg(TASK, tmp_path / "record.yaml")
    assert again.to_dict() == cfg.to_dict()
    assert unused_settings(again) == []


def test_the_settings_that_differ_from_the_defaults_are_shown_below_where_they_come_from(tmp_path: Path) -> None:
    overrides = ["MODEL.ARGS.name=[1, two]", "MODEL.ARGS.also=3", "TRAIN.BATCH_SIZE=32", "ANALYSER.ENABLED=True"]
    (tmp_path / "base.yaml").write_text("MISC: {SEED: 9}\nTEST: {IMS_PER_GPU: 128}\n")
    cfg = load(tmp_path, "_BASE_: base.yaml\nTRAIN: {BATCH_SIZE: 64}\nMODEL: {MASK: {POOL: 7}}\nDATA: {ON_ERROR: skip}\n", *overrides)
    assert describe_settings(cfg).splitlines() == [
        "  derived value",
        "    MISC.NAME: x.yaml",
        "    MISC.CKPT: ckpts/x",
        f"  {tmp_path}/base.yaml",
        "    MISC.SEED: 9",
        f"  {tmp_path}/x.yaml",
        "    SOLVER.SCHEDULER.TOTAL_ITERS: 8",
        "    DATA.ON_ERROR: skip",
        "  command line",
        "    ANALYSER.ENABLED: true",
        "    TRAIN.BATCH_SIZE: 32",
        "    MODEL.ARGS: {name: [1, two], also: 3}",
        "  not used by this run: MODEL.MASK.POOL (MODEL.HAS_MASK is False)",
    ]


def test_long_values_are_cut(tmp_path: Path) -> None:
    cfg = load(tmp_path, "", f"MODEL.ARGS={{a: {'x' * 999}}}")
    (line,) = (line for line in describe_settings(cfg).splitlines() if "MODEL.ARGS" in line)
    assert line.endswith("x ...") and len(line) < 250
    assert describe_settings(CfgNode(SCHEMA)) == "  nothing"


def test_a_derived_value_does_not_hide_where_the_setting_was_given(tmp_path: Path) -> None:
    def derive(cfg: CfgNode) -> None:
        cfg.set("MODEL.WIDTH", 8)
        cfg.set("MODEL.ARGS", {"b": 2})

    task = SimpleNamespace(get_base_cfg=lambda: CfgNode(SCHEMA), infer_cfg=derive)
    (tmp_path / "x.yaml").write_text("SOLVER: {SCHEDULER: {TOTAL_ITERS: 8}}\n")
    cfg = load_cfg(task, tmp_path / "x.yaml", ["MODEL.WIDTH=7"])
    places = cfg.given()
    assert (places["MODEL.WIDTH"], places["MODEL.ARGS"]) == ("command line", "derived value")
    assert places["SOLVER.SCHEDULER.TOTAL_ITERS"] == f"{tmp_path}/x.yaml:1"


def test_reads_are_recorded_from_when_the_config_is_frozen(tmp_path: Path) -> None:
    cfg = load(tmp_path, "", "MISC.SEED=5", "MODEL.KIND=b", "MODEL.ARGS.a=1", "TRAIN.BATCH_SIZE=64")
    assert cfg.read_keys() == frozenset()
    solver = cfg.SOLVER
    assert (solver.AMP.ENABLED, cfg["MISC"]["SEED"], cfg.MODEL.get("KIND"), cfg.MODEL.get("NONE", 3)) == (False, 5, "b", 3)
    cfg.to_dict(), cfg.flat(), cfg.dump(), "WIDTH" in cfg.MODEL, describe_settings(cfg), unused_settings(cfg)
    assert cfg.read_keys() == {"SOLVER.AMP.ENABLED", "MISC.SEED", "MODEL.KIND"}
    assert unread_overrides(cfg) == ["MODEL.ARGS", "TRAIN.BATCH_SIZE"]
    assert cfg.clone().MODEL.WIDTH == 4
    assert "MODEL.WIDTH" not in cfg.read_keys()


def test_every_switch_of_petlib_is_a_setting() -> None:
    keys = flat_schema(PETLIB_SCHEMA)
    assert all(switch in keys for key in keys.values() for one in key.used_if for switch in one.decisive_keys())


def test_effects_of_sections_leave_those_of_keys_alone_and_survive_merging() -> None:
    schema = with_effect(Effect.NONE, {"A": {"B": Key(1, "B."), "C": Key(1, "C.", effect=Effect.ROUNDING)}})
    merged = flat_schema(merge_schemas(schema, {"A": {"B": Key(2, "Other.")}}))
    assert (merged["A.B"].default, merged["A.B"].effect, merged["A.C"].effect) == (2, Effect.NONE, Effect.ROUNDING)
