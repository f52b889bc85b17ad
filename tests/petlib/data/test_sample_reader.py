import copy
import random

import numpy as np
import pytest
import torch

from petlib.data import KeyedGenerators, SampleKey, SampleReader
from petlib.errors import ConfigError, DataError


class Numbers:
    def __init__(self, sample=None):
        self.sample = {"value": np.arange(3), "meta": {"file": "folder/a.png"}} if sample is None else sample

    def __len__(self):
        return 10

    def __getitem__(self, index):
        if isinstance(self.sample, str):
            raise KeyError("no such thing")
        return self.sample


def keep(sample, rng):
    return sample


def draw(sample, rng):
    return {**sample, "drawn": rng.random(2)}


def draw_globally(sample, rng):
    return {**sample, "drawn": np.array([random.random(), np.random.rand(), torch.rand(()).item()])}


def drawn(reader, *keys):
    return [tuple(sample["drawn"].tolist()) for sample in reader.read([SampleKey(*key) for key in keys])]


@pytest.mark.parametrize("options", [{"transforms": draw}, {"transforms": draw_globally, "seed_global_generators": True}])
def test_random_numbers_follow_from_seed_epoch_and_position_alone(options):
    reader = SampleReader(Numbers(), seed=3, **options)
    first = drawn(reader, (0, 5, 1), (0, 6, 1), (1, 5, 1))
    assert len(set(first)) == 3
    assert drawn(reader, (1, 5, 7), (0, 5, 2)) == [first[2], first[0]]
    assert drawn(SampleReader(Numbers(), seed=3, **options), (0, 6, 1)) == [first[1]]
    assert drawn(SampleReader(Numbers(), seed=4, **options), (0, 6, 1)) != [first[1]]


def test_streams_of_many_places_look_independent():
    generators = KeyedGenerators(3, "sample")
    values = np.array([[generators.at(epoch, position).random(4) for position in range(50)] for epoch in range(40)])
    assert len(np.unique(values)) == values.size
    assert values.mean() == pytest.approx(0.5, abs=0.02)
    neighbours = np.corrcoef(values[:, :-1].ravel(), values[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 0.04
    assert KeyedGenerators(3, "other").at(0, 0).random() != values[0, 0, 0]


def test_a_generator_starts_afresh_after_odd_draws():
    generators = KeyedGenerators(3, "sample")
    expected = generators.at(1, 2, 3).integers(2**31, dtype=np.int32)
    generators.at(1, 2, 4).integers(2**31, dtype=np.int32)
    assert generators.at(1, 2, 3).integers(2**31, dtype=np.int32) == expected


def test_global_generators_are_given_back_in_the_training_process():
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    expected = random.random(), np.random.rand(), torch.rand(()).item()
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    drawn(SampleReader(Numbers(), draw_globally, seed=3, seed_global_generators=True), (0, 0, 0), (0, 1, 1))
    assert (random.random(), np.random.rand(), torch.rand(()).item()) == expected


def test_meta_has_the_place_in_the_data_set_and_the_data_set_keeps_its_own():
    dataset = Numbers()
    sample = SampleReader(dataset, keep, seed=3).read([SampleKey(0, 4, 7)])[0]
    assert sample["meta"] == {"file": "folder/a.png", "index": 7, "draw": (0, 4)}
    assert dataset.sample["meta"] == {"file": "folder/a.png"}
    assert SampleReader(Numbers({"value": 1}), keep, seed=3).read([SampleKey(0, 0, 2)])[0]["meta"] == {"index": 2, "draw": (0, 0)}


@pytest.mark.parametrize(
    ("sample", "transform", "message"),
    [
        (np.zeros(3), keep, "data set .*Numbers gave a ndarray for sample 4; a dict of arrays is expected"),
        ({"meta": [1]}, keep, "data set .*Numbers gave a list as meta of sample 4"),
        ({"value": 1}, lambda sample, rng: None, "transform .*<lambda> gave None for sample 4; the changed sample is expected"),
    ],
)
def test_what_is_no_sample_is_refused_by_the_name_of_its_class(sample, transform, message):
    with pytest.raises(DataError, match=message):
        SampleReader(Numbers(sample), transform, seed=3).read([SampleKey(0, 0, 4)])


def refuse(sample, rng):
    raise DataError("a crop of 0 pixels")


def refuse_by_name(sample, rng):
    raise DataError("folder/a.png is too small")


def test_an_error_of_a_transform_names_the_file_once():
    for transform, message in [(refuse, "folder/a.png: a crop of 0 pixels"), (refuse_by_name, "folder/a.png is too small")]:
        with pytest.raises(DataError) as caught:
            SampleReader(Numbers(), transform, seed=3).read([SampleKey(0, 0, 4)])
        assert str(caught.value) == message


def test_a_fault_of_the_program_notes_the_sample():
    with pytest.raises(KeyError) as caught:
        SampleReader(Numbers("broken"), keep, seed=3).read([SampleKey(2, 1, 4)])
    assert caught.value.__notes__ == ["This was sample 4 of Numbers, position 1 of epoch 2."]


class Damaged(Numbers):
    """Raises for odd places."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def __getitem__(self, index):
        if index % 2:
            raise copy.copy(self.error)
        return {"value": np.arange(3), "meta": {"file": f"{index}.png"}}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DataError("it is empty"), "sample 3 of Damaged: it is empty"),
        (DataError("sample 3 has no label"), "sample 3 has no label"),
        (DataError("sample 33 has no label"), "sample 3 of Damaged: sample 33 has no label"),
    ],
)
def test_an_error_of_the_data_set_names_the_place_once(error, message):
    with pytest.raises(DataError) as caught:
        SampleReader(Damaged(error), keep, seed=3).read([SampleKey(0, 0, 3)])
    assert str(caught.value) == message


@pytest.mark.parametrize("error", [DataError("it is empty"), OSError(2, "No such file", "3.png"), KeyError("label"), ValueError("no PNG")])
def test_another_sample_takes_the_place_of_one_that_cannot_be_read(error):
    reader = SampleReader(Damaged(error), draw, seed=3, on_error="skip")
    keys = [SampleKey(epoch, position, 3) for epoch in range(2) for position in range(8)]
    samples = reader.read(keys)
    places = [sample["meta"]["index"] for sample in samples]
    assert all(place % 2 == 0 for place in places)
    assert len(set(places)) > 2
    for sample, key in zip(samples, keys, strict=True):
        first, *others = sample["meta"]["replaces"]
        assert (first["epoch"], first["position"], first["index"]) == key
        assert all(other["index"] % 2 for other in others)
        assert str(error.args[-1]) in first["reason"]
    # whoever reads it, whenever
    again = SampleReader(Damaged(error), draw, seed=3, on_error="skip").read([keys[5]])[0]
    assert again["meta"] == samples[5]["meta"]
    assert again["drawn"].tolist() == samples[5]["drawn"].tolist()
    assert SampleReader(Damaged(error), draw, seed=4, on_error="skip").read(keys)[5]["drawn"].tolist() != again["drawn"].tolist()


def test_the_file_of_a_skipped_sample_is_noted_where_it_is_known():
    missing = SampleReader(Damaged(FileNotFoundError(2, "No such file", "3.png")), seed=3, on_error="skip")
    assert missing.read([SampleKey(0, 0, 3)])[0]["meta"]["replaces"][0]["file"] == "3.png"

    def refuse_some(sample, rng):
        if sample["meta"]["index"] == 2:
            raise DataError("a crop of 0 pixels")
        return sample

    refused = SampleReader(Damaged(None), refuse_some, seed=3, on_error="skip").read([SampleKey(0, 1, 2)])[0]["meta"]["replaces"][0]
    assert refused == {"epoch": 0, "position": 1, "index": 2, "file": "2.png", "reason": "2.png: a crop of 0 pixels"}


def test_a_data_set_that_knows_its_files_names_those_of_skipped_samples():
    class Named(Damaged):
        def file_of(self, index):
            return f"{index}.png"

    sample = SampleReader(Named(DataError("no")), seed=3, on_error="skip").read([SampleKey(0, 1, 3)])[0]
    assert sample["meta"]["replaces"][0]["file"] == "3.png"
    assert SampleReader(Named(DataError("no")), seed=3).file_of(3) == "3.png"


def test_good_samples_are_the_same_with_and_without_skip():
    keys = [SampleKey(0, position, 2 * position) for position in range(4)]
    for sample, other in zip(
        SampleReader(Damaged(None), draw, seed=3).read(keys),
        SampleReader(Damaged(None), draw, seed=3, on_error="skip").read(keys),
        strict=True,
    ):
        assert sample["meta"] == other["meta"]
        assert sample["drawn"].tolist() == other["drawn"].tolist()


def divide(sample, rng):
    return 1 / 0


@pytest.mark.parametrize(
    ("dataset", "transform", "error"),
    [
        (Damaged(ConfigError("DATA.CLASSES is wrong")), keep, ConfigError),
        (Damaged(MemoryError()), keep, MemoryError),
        (Numbers(), divide, ZeroDivisionError),
    ],
)
def test_faults_of_the_program_and_the_settings_are_not_skipped(dataset, transform, error):
    with pytest.raises(error):
        SampleReader(dataset, transform, seed=3, on_error="skip").read([SampleKey(0, 0, 3)])


def test_data_of_which_nothing_can_be_read_end_the_run():
    message = r"sample 4 of Numbers cannot be read \('no such thing'\), and none of 10 that were drawn in its place"
    with pytest.raises(DataError, match=message):
        SampleReader(Numbers("broken"), keep, seed=3, on_error="skip").read([SampleKey(0, 0, 4)])


def test_replacements_do_not_depend_on_what_was_drawn_globally_before():
    def read(count):
        random.seed(count)
        reader = SampleReader(Damaged(DataError("no")), draw_globally, seed=3, seed_global_generators=True, on_error="skip")
        return drawn(reader, *[(0, position, 3) for position in range(4)])

    assert read(1) == read(2)
    assert len(set(read(1))) == 4


def test_long_names_of_files_are_shortened_in_messages() -> None:
    long = "a" * 9_999

    class Missing(Numbers):
        def __getitem__(self, index):
            raise DataError(f"{long[:500]}...: gone")

        def file_of(self, index):
            return long

    with pytest.raises(DataError) as error:
        SampleReader(Missing(), seed=0).read([SampleKey(0, 0, 0)])
    assert str(error.value) == f"{long[:500]}...: gone"

    def refuse(sample, rng):
        raise DataError("refused")

    with pytest.raises(DataError) as error:
        SampleReader(Numbers({"meta": {"file": long}}), refuse, seed=0).read([SampleKey(0, 0, 0)])
    assert str(error.value) == f"{long[:500]}...: refused"
