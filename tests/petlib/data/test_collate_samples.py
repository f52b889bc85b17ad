import numpy as np
import pytest
import torch

from petlib.data import collate
from petlib.errors import DataError


def test_equal_arrays_are_stacked_in_their_dtype():
    for dtype in (np.uint8, np.uint16, np.int64, np.float16, np.float32, np.float64, np.bool_):
        arrays = [np.arange(6).reshape(2, 3).astype(dtype) + np.array(step, dtype) for step in range(3)]
        stacked = collate([{"x": array} for array in arrays])["x"]
        assert stacked.shape == (3, 2, 3)
        assert np.array_equal(stacked.numpy(), np.stack(arrays))
        assert stacked.numpy().dtype == dtype


def test_flipped_read_only_and_foreign_byte_order_arrays_are_stacked():
    image = np.arange(12, dtype=np.uint16).reshape(3, 4)
    image.setflags(write=False)
    stacked = collate([{"x": image[:, ::-1]}, {"x": image.astype(">u2")}])["x"]
    assert stacked.dtype == torch.uint16
    assert np.array_equal(stacked.numpy(), np.stack([image[:, ::-1], image]))
    stacked.numpy()[:] = 0
    assert image.max() == 11


def test_unequal_arrays_become_a_list():
    boxes = collate([{"boxes": np.ones((2, 4), np.float32)}, {"boxes": np.zeros((0, 4), np.float32)}])["boxes"]
    assert [(tuple(item.shape), item.dtype) for item in boxes] == [((2, 4), torch.float32), ((0, 4), torch.float32)]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], torch.int64),
        ([1, 2.5], torch.float32),
        ([True, False], torch.bool),
        ([True, 2], torch.int64),
        ([np.float64(1), np.float64(2)], torch.float64),
        ([np.int32(1), np.int32(2)], torch.int32),
        ([torch.tensor([1.0]), torch.tensor([2.0])], torch.float32),
    ],
)
def test_numbers_and_tensors_become_one_tensor(values, dtype):
    joined = collate([{"x": value} for value in values])["x"]
    assert joined.dtype == dtype
    assert joined.flatten().tolist() == [float(value) for value in values]


def test_unequal_tensors_become_a_list_and_meta_stays():
    batch = collate([{"x": torch.zeros(size), "meta": {"id": size}} for size in (1, 2)])
    assert [len(item) for item in batch["x"]] == [1, 2]
    assert batch["meta"] == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("cat", "dog", "field 'x' of a batch holds str; numpy arrays, tensors or numbers are expected"),
        (np.zeros(2), 3, "field 'x' of a batch holds int, ndarray"),
        (None, None, "field 'x' of a batch holds NoneType"),
        (np.zeros(2, np.uint8), np.zeros(2, np.float32), "field 'x' of a batch holds arrays of float32, uint8"),
        (np.array(["a"]), np.array(["a"]), "field 'x' of a batch holds arrays of <U1"),
        (np.array([{}]), np.array([{}]), "field 'x' of a batch holds arrays of object"),
        (torch.zeros(1), torch.zeros(1, dtype=torch.int64), "field 'x' of a batch holds tensors of torch.float32, torch.int64"),
    ],
)
def test_what_cannot_be_joined_is_refused_by_the_name_of_its_field(first, second, message):
    with pytest.raises(DataError, match=message):
        collate([{"x": first}, {"x": second}])


def test_types_that_differ_are_reported_with_the_files():
    samples = [{"x": np.zeros(2, dtype), "meta": {"file": file}} for dtype, file in (("u1", "a.png"), ("u2", "b.png"), ("u2", "c.png"))]
    with pytest.raises(DataError, match=r"arrays of uint16, uint8; .* in all samples \(uint16: b\.png, uint8: a\.png\)"):
        collate(samples)
    with pytest.raises(DataError, match=r"uint8: sample 0 of the batch\)"):
        collate([{"x": sample["x"]} for sample in samples])


def test_different_fields_are_refused():
    with pytest.raises(DataError, match="different fields: masks is not in all of them"):
        collate([{"x": 1, "masks": 2}, {"x": 1}])
