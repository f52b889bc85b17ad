"""Numbers and colours of label images become classes."""

import numpy as np
import pytest

from pet.data.targets.label_coding import ColourCoding, NumberCoding, filtered_classes
from petlib.errors import ConfigError, DataError

NAMES = ["background", "road", "car"]


def code(coding: NumberCoding | ColourCoding, labels: object, dtype: str = "uint8") -> list[list[int]]:
    classes = coding.classes_of(np.array(labels, dtype), "a.png")
    assert classes.dtype == np.uint8
    result: list[list[int]] = classes.tolist()
    return result


def test_numbers_count_the_classes_and_255_does_not_count() -> None:
    assert code(NumberCoding(classes=NAMES), [[0, 1, 2]]) == [[0, 1, 2]]
    assert code(NumberCoding(classes=NAMES), [[0, 255, 2]]) == [[0, 255, 2]]
    assert code(NumberCoding(classes=NAMES), [[0, 255, 2]], "int32") == [[0, 255, 2]]


def test_values_say_which_number_a_class_has() -> None:
    coding = NumberCoding(classes=["no", "yes"], values=[0, 255])
    assert code(coding, [[0, 255]]) == [[0, 1]]
    with pytest.raises(
        DataError, match=r"a\.png: the label image has the value 128, 0, 255 expected for 2 classes; the values are 0, 128, 255"
    ):
        code(coding, [[0, 128, 255]])


def test_numbers_can_be_ignored() -> None:
    coding = NumberCoding(classes=["wall", "window"], values=[1, 2], ignored=[0])
    assert code(coding, [[0, 1, 2, 255]]) == [[255, 0, 1, 255]]


def test_numbers_of_16_bits_can_be_ignored_and_be_classes() -> None:
    coding = NumberCoding(classes=["wall", "window"], values=[0, 255], ignored=[65535, 300])
    assert code(coding, [[0, 255, 65535, 300]], "uint16") == [[0, 1, 255, 255]]
    assert code(coding, [[0, 255, 65535, 300]], "float32") == [[0, 1, 255, 255]]
    with pytest.raises(DataError, match=r"a\.png: the label image has the value 256, .*ignore_values which do not count"):
        code(coding, [[256]], "uint16")


def test_a_filter_makes_other_classes_the_background() -> None:
    coding = NumberCoding(classes=NAMES, classes_filter=["car"])
    assert coding.classes == ["background", "car"]
    assert code(coding, [[0, 1, 2, 255]]) == [[0, 0, 1, 255]]
    assert filtered_classes(NAMES, ["background", "car", "road"]) == (["background", "car", "road"], [0, 2, 1])


@pytest.mark.parametrize(("labels", "dtype", "value"), [([[3, 0]], "uint8", "3"), ([[300]], "uint16", "300"), ([[-1]], "int16", "-1")])
def test_a_value_outside_of_the_classes_is_reported_with_what_to_set(labels: object, dtype: str, value: str) -> None:
    message = (
        rf"a\.png: the label image has the value {value}, 0 to 2 expected for 3 classes \(and 255 .*Source\.classes, or .* label_values"
    )
    with pytest.raises(DataError, match=message):
        code(NumberCoding(classes=NAMES), labels, dtype)


def test_wrong_filters_and_values_are_reported() -> None:
    with pytest.raises(ConfigError, match="classes_filter: 'cat' is none of the classes; did you mean car"):
        NumberCoding(classes=NAMES, classes_filter=["cat"])
    with pytest.raises(ConfigError, match="each class once"):
        NumberCoding(classes=NAMES, classes_filter=["car", "car"])
    for values in ([0, 255], [0, 1, 1], [0, 1, 256]):
        with pytest.raises(ConfigError, match="label_values: .* given for 3 classes"):
            NumberCoding(classes=NAMES, values=values)


def test_colours_become_classes() -> None:
    coding = ColourCoding(classes=["no", "yes"], colours=[((255, 255, 255), 0), ((255, 0, 0), 1), ((0, 0, 255), 1)])
    assert code(coding, [[[255, 255, 255], [0, 0, 255], [255, 0, 0]]]) == [[0, 1, 1]]
    with pytest.raises(DataError, match=r"the colour \(1, 2, 3\), which is none of the 3 colours"):
        code(coding, [[[1, 2, 3]]])
    with pytest.raises(DataError, match="one channel, the colours"):
        code(coding, [[1, 2]])
