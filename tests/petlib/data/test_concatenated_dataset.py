import pytest

from petlib.data.concatenated import ConcatenatedDataset


def test_samples_follow_one_another_over_empty_data_sets_too():
    dataset = ConcatenatedDataset([["a", "b"], [], ["c"], ["d", "e"]])
    assert len(dataset) == 5
    assert [dataset[index] for index in range(5)] == ["a", "b", "c", "d", "e"]
    assert [dataset.locate(index) for index in range(5)] == [(0, 0), (0, 1), (2, 0), (3, 0), (3, 1)]


@pytest.mark.parametrize("index", [-1, 5])
def test_samples_that_are_not_there_are_refused(index):
    with pytest.raises(IndexError, match=f"sample {index} of 5"):
        ConcatenatedDataset([["a", "b"], ["c", "d", "e"]])[index]
