import random
import time

from petlib import distributed


def exchange_flags(patterns):
    flag = distributed.AgreedFlag()
    answers = []
    waits = random.Random(distributed.rank())
    for value in patterns[distributed.rank()]:
        time.sleep(waits.random() * 0.003)
        answers.append(flag.exchange(value))
    return [*answers, flag.finish(), flag.finish()]


def test_every_rank_gets_the_same_answer_at_the_same_call(run_ranks):
    draw = random.Random(3)
    patterns = [[draw.random() < 0.2 for _ in range(30)] for _ in range(3)]
    combined = [any(values) for values in zip(*patterns, strict=True)]
    assert any(combined)
    assert not all(combined)
    assert run_ranks(exchange_flags, 3, patterns) == [[False, *combined, False]] * 3


def test_without_a_group_the_value_itself_is_the_answer():
    flag = distributed.AgreedFlag()
    assert [flag.exchange(True), flag.exchange(False), flag.finish()] == [True, False, False]
