"""Code that is called without a generator."""

import numpy as np

from petlib.data.seeding import generator_of_global_state


def test_generators_follow_from_the_global_seed_and_differ_from_call_to_call() -> None:
    np.random.seed(3)
    first, second = (generator_of_global_state().random(4) for _ in range(2))
    np.random.seed(3)
    np.testing.assert_array_equal(generator_of_global_state().random(4), first)
    assert (first != second).all()
