"""Jobs on Ray without a Ray: addresses, limits of waiting, and what exit codes of nodes make together."""

import sys
import time
from pathlib import Path

import pytest

from pet.cluster import engines, ray, records
from pet.cluster.job import RAY_ADDRESSES, ClusterJob, Target
from pet.cluster.node import write_ending
from pet.cluster.package import Package
from pet.cluster.ray_driver import LOST, Outcome
from petlib.errors import ConfigError

ADDRESS = "http://127.0.0.1:8265"


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RAY_ADDRESSES:
        monkeypatch.delenv(name, raising=False)


def test_the_address_is_given_or_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Target.parse(f"ray:{ADDRESS}/") == Target("ray", ADDRESS) == Target.parse(str(Target("ray", ADDRESS)))
    with pytest.raises(ConfigError, match=r"--on ray: which cluster\? --on ray:http://HOST:8265 .* takes --on local"):
        Target.parse("ray")
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(ConfigError, match=r"PET_CLUSTER ray \(RAY_ADDRESS=ray://head:10001\): the address of Ray's dashboard"):
        Target.parse("ray", place="PET_CLUSTER")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", ADDRESS)
    assert Target.parse("ray") == Target("ray", ADDRESS)
    with pytest.raises(ConfigError, match="--on ray:head: the address of Ray's dashboard, which takes jobs, expected"):
        Target.parse("ray:head")


def test_a_missing_ray_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'pet-vision\[ray\]'"):
        ray.check(ClusterJob("a-1", "a", "train", (), "/code", "/storage"), Target("ray", ADDRESS))


def test_no_answer_is_waited_for_without_end() -> None:
    begin = time.monotonic()
    with pytest.raises(ConfigError, match="too late"):
        ray.within(0.05, lambda: time.sleep(30), "too late")
    assert time.monotonic() - begin < 20
    assert ray.within(30, lambda: 3, "too late") == 3

    def refuse() -> None:
        raise RuntimeError("Request failed with status code 401")

    with pytest.raises(ConfigError, match="Ray: Request failed with status code 401"):
        ray.within(30, refuse, "too late")


def test_a_job_that_noted_its_end_is_not_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    job = ClusterJob("a-1", "a", "train", (), "/code", str(tmp_path))
    record = records.remember(job, Target("ray", ADDRESS), job.id)
    for code, state in ((0, "done"), (143, "stopped"), (2, "failed")):
        write_ending(job, code)
        assert engines.state(record) == state


def test_nothing_is_left_of_a_job_that_was_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def refuse(address: str) -> None:
        raise ConfigError(f"{address} does not answer")

    monkeypatch.setattr(ray, "connect", refuse)
    job = ClusterJob("a-1", "a", "train", (), "/code", str(tmp_path))
    with pytest.raises(ConfigError, match="does not answer"):
        engines.submit(job, Target("ray", ADDRESS), Package(tmp_path, {}, {}))
    assert not job.folder.exists() and not records.all_records()


@pytest.mark.parametrize(
    ("codes", "code"), [((0, 0), 0), ((0, 143), 143), ((143, 1), 1), ((1, 2), 2), ((LOST, 1), LOST), ((130, LOST, 2), 2)]
)
def test_the_gravest_code_of_the_nodes_decides(codes: tuple[int, ...], code: int) -> None:
    assert Outcome.of_nodes([Outcome(code) for code in codes]) == Outcome(code)


def test_a_node_that_was_taken_away_is_no_failure_of_the_job() -> None:
    assert Outcome.of_nodes([Outcome(1), Outcome(LOST, preempted=True)]).preempted
