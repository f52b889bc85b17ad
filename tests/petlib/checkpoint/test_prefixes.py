"""Beginnings of names by which parts of a file fit parts of a model."""

import pytest

from petlib.checkpoint.prefixes import match_prefixes

SOURCE = "file.pth"
BODY = {"conv1.weight": (4, 3, 3, 3), "layer1.0.conv1.weight": (4, 4, 3, 3), "layer1.1.conv1.weight": (4, 4, 3, 3), "bn1.bias": (4,)}
HEAD = {"convs.0.weight": (7, 4, 1, 1), "convs.0.bias": (7,)}


def below(prefix: str, shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {prefix + name: shape for name, shape in shapes.items()}


def test_each_part_of_a_file_finds_its_place(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    own = below("network.backbone.body.", BODY) | below("network.decoder.", HEAD)
    theirs = below("backbone.", BODY) | below("decode_head.", HEAD) | {"auxiliary_head.convs.0.weight": (9, 4, 1, 1)}
    names = match_prefixes(theirs, own, preferred=["network."], source=SOURCE)
    assert names == {
        **{f"backbone.{name}": f"network.backbone.body.{name}" for name in BODY},
        **{f"decode_head.{name}": f"network.decoder.{name}" for name in HEAD},
        "auxiliary_head.convs.0.weight": "auxiliary_head.convs.0.weight",
    }
    assert (
        "names that begin with 'backbone.' are taken as 'network.backbone.body.': 4 of their 4 tensors fit; 3 others are left"
        in caplog.text
    )
    assert (
        "names that begin with 'decode_head.' are taken as 'network.decoder.': 2 of their 2 tensors fit; 1 others are left" in caplog.text
    )


def test_what_fits_as_it_is_stays(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert match_prefixes(BODY, BODY | below("copy.", BODY), preferred=[], source=SOURCE) == {name: name for name in BODY}
    assert caplog.text == ""


def test_a_layer_of_another_shape_below_the_beginning_goes_along() -> None:
    names = match_prefixes(below("model.", BODY | {"fc.weight": (9, 4)}), BODY | {"fc.weight": (5, 4)}, preferred=[], source=SOURCE)
    assert names["model.fc.weight"] == "fc.weight"


def test_two_places_that_fit_as_well_are_left_to_the_user() -> None:
    names = match_prefixes(BODY, below("first.", BODY) | below("second.", BODY), preferred=[], source=SOURCE)
    assert names == {name: name for name in BODY}
    names = match_prefixes(BODY, below("first.", BODY) | below("second.", BODY), preferred=["second."], source=SOURCE)
    assert names == {name: f"second.{name}" for name in BODY}


def test_a_layer_is_not_taken_for_another_one() -> None:
    theirs = {"layers.3.conv.weight": (4, 4, 3, 3), "layers.3.conv.bias": (4,)}
    own = {"layers.0.conv.weight": (4, 4, 3, 3), "layers.0.conv.bias": (4,)}
    assert match_prefixes(theirs, own, preferred=[], source=SOURCE) == {name: name for name in theirs}
