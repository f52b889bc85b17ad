import pytest

from petlib import distributed
from petlib.distributed.interruption import end_request


def evaluate(asked_at):
    """Go through this rank's items; rank 1 is asked to end at one of them, or after all (None)."""
    done = []
    for item in distributed.until_asked_to_end(range(4 + distributed.rank())):
        done.append(item)
        if distributed.rank() == 1 and item == asked_at:
            end_request.signal_number = 15
    if distributed.rank() == 1 and asked_at is None:
        end_request.signal_number = 15
    try:
        distributed.agree_to_go_on()
    except distributed.Interrupted as interruption:
        return len(done), interruption.signal_number
    return len(done), 0


@pytest.mark.parametrize(("asked_at", "answers"), [(1, [(4, 15), (2, 15)]), (None, [(4, 15), (5, 15)]), (9, [(4, 0), (5, 0)])])
def test_all_ranks_give_up_when_one_is_asked_to(run_ranks, asked_at, answers):
    assert run_ranks(evaluate, 2, asked_at) == answers
