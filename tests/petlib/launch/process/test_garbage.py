import gc
from collections.abc import Iterator

import pytest
import torch

from petlib.data.loading import LoadingOptions, start_loading
from petlib.launch.process.garbage import RARE, Collector, collector
from petlib.launch.process.run_process import RunProcess, run_process


@pytest.fixture(autouse=True)
def usual_threshold() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_the_collector_rests_until_the_first_batches_are_loaded() -> None:
    seen = []

    def main(_: RunProcess) -> None:
        seen.append(gc.get_threshold())
        batches = start_loading(lambda request: {"x": torch.tensor(request), "meta": []}, [1, 2], LoadingOptions(0, 2, False, None))
        seen.append(gc.get_threshold())
        batches.close()

    usual = gc.get_threshold()
    assert run_process(main) == 0
    assert seen == [(RARE, *usual[1:]), usual]


def test_a_run_without_batches_leaves_the_collector_as_it_was() -> None:
    usual, frozen = gc.get_threshold(), gc.get_freeze_count()
    assert run_process(lambda _: None) == 0
    assert (gc.get_threshold(), gc.get_freeze_count()) == (usual, frozen)


def test_what_is_there_is_spared() -> None:
    one = Collector()
    one.rest()
    frozen = gc.get_freeze_count()
    one.resume(spare=True)
    assert gc.get_freeze_count() > frozen
    frozen = gc.get_freeze_count()
    # nothing rests any more
    collector.resume(spare=True)
    assert gc.get_freeze_count() == frozen


def test_a_collector_that_is_switched_off_stays_so() -> None:
    gc.set_threshold(0)
    one = Collector()
    one.rest()
    assert gc.get_threshold()[0] == 0
    one.resume()
    assert gc.get_threshold()[0] == 0
