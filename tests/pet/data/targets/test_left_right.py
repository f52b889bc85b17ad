"""Left and right in the names of keypoints and parts."""

import logging

import pytest

from pet.data.targets.check import report_sides
from pet.data.targets.dataset import DatasetInfo, KeypointSet
from pet.data.targets.kinds import find_kind
from pet.data.targets.left_right import swap_from_names, swap_from_pairs
from petlib.errors import ConfigError


@pytest.mark.parametrize(
    ("names", "swap"),
    [
        (["nose", "left_eye", "right_eye"], (0, 2, 1)),
        (["Left-arm", "torso", "Right-arm", "left leg"], (2, 1, 0, 3)),
        (["eyeLeft", "eyeRight", "LEFT_EAR", "RIGHT_EAR"], (1, 0, 3, 2)),
        (["leftover", "bright", "upright", "left"], (0, 1, 2, 3)),
        (["leftEye", "rightEye", "left", "right"], (1, 0, 3, 2)),
        ([], ()),
        # as data sets of people, animals and flies write them
        (["Nose", "L_Eye", "R_Eye", "Root of tail", "L_F_Paw", "R_F_Paw", "L_B_Paw", "R_B_Paw"], (0, 2, 1, 3, 5, 4, 7, 6)),
        (["eye_l", "eye_r", "thumb4_r", "thumb4_l", "tail"], (1, 0, 3, 2, 4)),
        (["eyeL", "eyeR", "antennaL1", "antennaR1", "antennaL2", "antennaR2", "thorax"], (1, 0, 3, 2, 5, 4, 6)),
        (["LEye", "REye", "LBigToe", "RBigToe", "Neck"], (1, 0, 3, 2, 4)),
        (["lefteye", "righteye", "earleft", "earright"], (1, 0, 3, 2)),
        (["Nearfrontfoot", "Offfrontfoot", "near hind hoof", "off hind hoof", "wither"], (1, 0, 3, 2, 4)),
        (["left_eye ", " right_eye", "nose "], (1, 0, 2)),
        (["鼻子", "左眼", "右眼", "左_肩", "右_肩"], (0, 2, 1, 4, 3)),
        (["ｌ-ear", "ｒ-ear"], (1, 0)),
        (["left_eye_left_corner", "left_eye_right_corner", "right_eye_left_corner", "right_eye_right_corner"], (3, 2, 1, 0)),
        # nothing is guessed: no partner, part of a word, two partners, the same name twice
        (["left_eye", "nose", "L"], (0, 1, 2)),
        (["cleft", "bright", "right", "linear", "office"], (0, 1, 2, 3, 4)),
        (["lear", "rear", "Leg", "Reg"], (0, 1, 2, 3)),
        (["left_L1", "right_L1", "left_R1", "right_R1"], (0, 1, 2, 3)),
        (["left_eye", "right_eye", "Left Eye"], (0, 1, 2)),
        # letters that count, and are no sides
        (["a", "k", "l", "m", "q", "r"], (0, 1, 2, 3, 4, 5)),
        (["K1", "L1", "M1", "R1"], (0, 1, 2, 3)),
        (["lip_l", "lip_m", "lip_r", "L", "R"], (2, 1, 0, 4, 3)),
    ],
)
def test_names_of_both_sides_swap(names: list[str], swap: tuple[int, ...]) -> None:
    assert swap_from_names(names) == swap


@pytest.mark.parametrize("pairs", [[("a", "c ")], [(0, 2)], [["c", "a"]]])
def test_a_list_of_pairs_says_who_swaps(pairs: list[tuple[str | int, str | int]]) -> None:
    assert swap_from_pairs(["a", " b", "c"], pairs) == (2, 1, 0)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("a", "left_ey")], "flip_pairs: 'left_ey' is none of the keypoints; did you mean left_eye.* they are a, left_eye, b"),
        ([(0, 3)], "flip_pairs: 3 given, a keypoint from 0 to 2 expected"),
        ([("a", "b"), ("b", "left_eye")], "flip_pairs: the keypoint 'b' is given twice"),
        ([("a", "a")], "flip_pairs: the keypoint 'a' is given twice"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(pairs: list[tuple[str | int, str | int]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        swap_from_pairs(["a", "left_eye", "b"], pairs)


def info_of(names: list[str], pairs: list[tuple[str | int, str | int]] | None = None) -> DatasetInfo:
    swap = swap_from_names(names) if pairs is None else swap_from_pairs(names, pairs)
    keypoints = KeypointSet(tuple(names), swap, (), (0.05,) * len(names), swap_given=pairs is not None)
    return DatasetInfo(frozenset({"boxes", "keypoints"}), classes=["a"], keypoint_set=keypoints)


@pytest.mark.parametrize(
    ("info", "level", "said"),
    [
        (info_of(["nose", "L_Eye", "R_Eye"]), "INFO", "of the keypoints 1 pair is exchanged (L_Eye - R_Eye), 1 stays (nose)"),
        (info_of(["0", "1"]), "WARNING", "of the keypoints 0 pairs are exchanged, 2 stay (0, 1). Where some have sides"),
        (info_of(["0", "1"], []), "INFO", "of the keypoints 0 pairs are exchanged, 2 stay (0, 1)"),
        (info_of(["0", "1"], [(0, 1)]), "INFO", "of the keypoints 1 pair is exchanged (0 - 1), 0 stay"),
        (info_of(["dot"]), "INFO", "of the keypoints 0 pairs are exchanged, 1 stays (dot)"),
    ],
)
def test_a_run_says_what_mirroring_does(info: DatasetInfo, level: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        report_sides(info, ["boxes", "keypoints"], source="TRAIN.TRANSFORMS")
    assert [record.levelname for record in caplog.records] == [level]
    assert said in caplog.records[0].getMessage()


def test_data_sets_that_mirror_otherwise_are_not_joined() -> None:
    keypoints = find_kind("keypoints")
    assert keypoints.compare(info_of(["a", "b"]), info_of(["a", "b"])) == ""
    assert "change places" in keypoints.compare(info_of(["a", "b"]), info_of(["a", "b"], [(0, 1)]))
