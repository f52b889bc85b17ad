import pytest
import torch

from petlib.engine.fitting import find_largest_part


class Device:
    """A device of ``room`` bytes on which a part takes ``fixed`` bytes and ``each`` for every sample."""

    def __init__(self, *, room: int, fixed: int, each: int, extra_from: int = 1000) -> None:
        self.room, self.fixed, self.each, self.extra_from = room, fixed, each, extra_from
        self.tried: list[int] = []

    def measure(self, samples: int) -> int:
        self.tried.append(samples)
        peak = self.fixed + self.each * samples + (300 if samples >= self.extra_from else 0)
        if peak > self.room:
            raise torch.OutOfMemoryError
        return peak


@pytest.mark.parametrize(
    ("whole", "each", "found"),
    [(64, 10, 64), (64, 20, 32), (64, 30, 22), (100, 30, 25), (7, 200, 4), (64, 280, 2), (64, 500, 1), (1, 100, 1), (3, 100, 3)],
)
def test_the_part_is_the_largest_of_equal_ones_within_the_limit(whole: int, each: int, found: int) -> None:
    device = Device(room=1000, fixed=100, each=each)
    part = find_largest_part(device.measure, whole=whole, limit=900)
    assert part is not None
    assert part.samples == found
    assert part.peak == 100 + each * found
    assert len(device.tried) <= 3


def test_a_plan_that_takes_more_is_replaced_by_a_smaller_one() -> None:
    device = Device(room=1000, fixed=100, each=10, extra_from=48)
    part = find_largest_part(device.measure, whole=64, limit=900)
    assert part is not None
    assert (part.samples, device.tried[-2:]) == (32, [64, 32])


def test_nothing_fits() -> None:
    assert find_largest_part(Device(room=1000, fixed=100, each=950).measure, whole=64, limit=900) is None
