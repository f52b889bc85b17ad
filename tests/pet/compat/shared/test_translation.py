"""One table of rows reads the config of another toolbox, and changes that of Pet key by key."""

from typing import Any

import pytest

from pet.compat.shared.translation import Row, at_least, converted, fitting, named, same, settings_of
from petlib.config import PETLIB_SCHEMA, CfgNode
from petlib.config.nested import REQUIRED, nested_of
from petlib.errors import ConfigError

TABLE: dict[str, Row] = {
    "folder": same("MISC.CKPT", default=REQUIRED),
    "log.interval": same("MISC.DISPLAY_ITER", default=10),
    "log.workers": same("TRAIN.NUM_WORKERS", "TEST.NUM_WORKERS"),
    "rate.policy": named("SOLVER.SCHEDULER.NAME", {"Poly": "poly", "CosineAnnealing": "cosine"}),
    "kept": at_least("SOLVER.SNAPSHOT_KEEP", 0),
    "minutes": converted("MISC.DIST_TIMEOUT", lambda minutes: 60 * minutes, lambda seconds: seconds / 60),
}


def read(**values: Any) -> dict[str, Any]:
    config = nested_of({"folder": "out", **values}, source="here")
    settings = settings_of(config, TABLE)
    config.require_all_read()
    return settings


def test_a_default_counts_where_its_section_is_given() -> None:
    assert read() == {"MISC.CKPT": "out"}
    assert read(log={}) == {"MISC.CKPT": "out", "MISC.DISPLAY_ITER": 10}


def test_values_become_those_of_pet() -> None:
    found = read(log={"interval": 3, "workers": 2}, rate={"policy": "Poly"}, kept=-1, minutes=2)
    assert found["MISC.DISPLAY_ITER"] == 3
    assert (found["TRAIN.NUM_WORKERS"], found["TEST.NUM_WORKERS"]) == (2, 2)
    assert found["SOLVER.SCHEDULER.NAME"] == "poly"
    assert found["SOLVER.SNAPSHOT_KEEP"] == 0
    assert found["MISC.DIST_TIMEOUT"] == 120


def test_a_row_reads_back_what_it_wrote() -> None:
    cfg = CfgNode(PETLIB_SCHEMA)
    for key, value in (("rate.policy", "CosineAnnealing"), ("log.interval", 7), ("minutes", 3)):
        for name, item in TABLE[key].write(cfg, value).items():
            cfg.set(name, item)
        assert TABLE[key].read(cfg) == value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"folder": None}, "folder: None given, str expected"),
        ({"log": {"interval": "often"}}, "log.interval: 'often' given, int expected"),
        ({"rate": {"policy": "poly"}}, "rate.policy: 'poly' given, one of Poly, CosineAnnealing expected"),
        ({"kept": "all"}, "kept: 'all' given, int expected"),
    ],
)
def test_a_value_that_does_not_fit_is_reported_under_its_own_key(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(**values)


def test_what_was_given_is_reported_and_not_what_it_became() -> None:
    with pytest.raises(ConfigError, match="solver.rate: 'fast' given, float expected"):
        fitting("SOLVER.OPTIMIZER.BASE_LR", "FAST", place="solver.rate", given="fast")
