"""Code names its arguments, who reads the config names its keys."""

import pytest

from petlib.config import CfgNode, Key, keys_in_errors, merge_schemas, name_in_errors
from petlib.errors import ConfigError, DataError, UserError, WorkerError


def message_of(error: Exception, names: dict[str, str]) -> str:
    with pytest.raises(type(error)) as caught, name_in_errors(names):
        raise error
    assert caught.value is error
    return str(caught.value)


def test_arguments_become_keys_wherever_they_are_words_of_their_own() -> None:
    names = {"batch_size": "TRAIN.BATCH_SIZE", "accumulation": "SOLVER.ACCUMULATION"}
    error = ConfigError("batch_size: 5 given, a multiple of accumulation (2) expected; set batch_size to 4, not my_batch_size.")
    assert message_of(error, names) == (
        "TRAIN.BATCH_SIZE: 5 given, a multiple of SOLVER.ACCUMULATION (2) expected; set TRAIN.BATCH_SIZE to 4, not my_batch_size."
    )


def test_a_longer_name_is_not_taken_for_a_shorter_one() -> None:
    names = {"SOLVER.AMP": "precision", "limit": "LIMIT", "StepGuard.limit": "SOLVER.NONFINITE_LIMIT"}
    error = DataError("SOLVER.AMP.DTYPE with SOLVER.AMP. The limit is StepGuard.limit; file.limit stays")
    assert message_of(error, names) == "SOLVER.AMP.DTYPE with precision. The LIMIT is SOLVER.NONFINITE_LIMIT; file.limit stays"


def test_blocks_around_each_other_translate_one_after_another() -> None:
    outer, inner = {"MODEL.NUM_CLASSES": "model.classes"}, {"num_classes": "MODEL.NUM_CLASSES"}
    with pytest.raises(ConfigError) as caught, name_in_errors(outer), name_in_errors(inner):
        raise ConfigError("num_classes: 3 given")
    assert str(caught.value) == "model.classes: 3 given"


def test_a_name_may_be_the_beginning_of_longer_ones() -> None:
    names = {"arguments.": "ARGS.", "rules": "RULES", "rules[": "RULES[", "fused:": "FUSED:"}
    error = ConfigError("arguments.eps and rules[1]: the rules; fused: SGD is fused")
    assert message_of(error, names) == "ARGS.eps and RULES[1]: the RULES; FUSED: SGD is fused"


def test_names_are_not_replaced_twice() -> None:
    assert message_of(UserError("a and b"), {"a": "b", "b": "a"}) == "b and a"


def test_a_key_says_which_arguments_it_becomes() -> None:
    schema = merge_schemas({"A": {"B": Key(1, "B.", arguments=("Thing.b", "make.b"))}}, {"A": {"B": Key(2, "Other."), "C": Key(3, "C.")}})
    with pytest.raises(ConfigError) as caught, keys_in_errors(CfgNode(schema)):
        raise ConfigError("Thing.b: 3 given, make.b and Thing.c")
    assert str(caught.value) == "A.B: 3 given, A.B and Thing.c"


def test_the_death_of_a_worker_names_settings_too() -> None:
    error = WorkerError("raise Loader.timeout")
    assert message_of(error, {"Loader.timeout": "MISC.LOADER_TIMEOUT"}) == "raise MISC.LOADER_TIMEOUT"


def test_faults_of_the_program_and_other_messages_stay_as_they_are() -> None:
    assert message_of(RuntimeError("batch_size"), {"batch_size": "TRAIN.BATCH_SIZE"}) == "batch_size"
    assert message_of(UserError("all is wrong"), {}) == "all is wrong"
    assert message_of(UserError(), {"a": "b"}) == ""
