import pytest

from petlib import dist
from petlib.dist.interruption import end_request


def evaluate(asked_at):
    """Go through this rank's items; rank 1 is asked to end at one of them, or after all (None)."""
    done = []
    for item in dist.until_asked_to_end(range(4 + dist.rank())):
        done.append(item)
        if dist.rank() == 1 and item == asked_at:
            end_request.signal_number = 15
    if dist.rank() == 1 and asked_at is None:
        end_request.signal_number = 15
    try:
        dist.agree_to_go_on()
    except dist.Interrupted as interruption:
        return len(done), interruption.signal_number
    return len(done), 0


@pytest.mark.parametrize(("asked_at", "answers"), [(1, [(4, 15), (2, 15)]), (None, [(4, 15), (5, 15)]), (9, [(4, 0), (5, 0)])])
def test_all_ranks_give_up_when_one_is_asked_to(run_ranks, asked_at, answers):
    assert run_ranks(evaluate, 2, asked_at) == answers
