import numpy as np
import pytest

from pet.data import draw_predictions, draw_sample_sheet, draw_targets
from pet.structures import InstanceMasks
from pet.visual import DrawSettings, TargetNames, build_draw_settings
from pet.visual.labels import LabelLayer
from pet.visual.palette import class_colour
from pet.visual.settings import VIS_SCHEMA
from pet.visual.sheet import make_sheet
from pet.visual.text import render, shorten, text_width
from petlib.config import CfgNode, ConfigError

GRAY = 90
NAMES = TargetNames(
    classes=("cat", "dog", "cow"), semseg_classes=("background", "sky", "dog"), parts=("background", "head"), skeleton=((0, 1),)
)
BARE = DrawSettings(labels=False, legend=False, scale=1.0)


def image(height=300, width=500):
    return np.full((height, width, 3), GRAY, np.uint8)


def found(boxes, labels=None, scores=None, **more):
    count = len(boxes)
    return {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "labels": np.arange(count) if labels is None else np.array(labels),
        "scores": np.full(count, 0.9, np.float32) if scores is None else np.array(scores, np.float32),
        **more,
    }


def is_colour(picture, colour):
    return (picture == np.array(colour)).all(axis=2)


def changed(picture):
    return (picture != GRAY).any(axis=2)


def extent(chosen):
    """Return left, top, right, bottom of the pixels that are true."""
    rows, columns = np.flatnonzero(chosen.any(axis=1)), np.flatnonzero(chosen.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def test_a_frame_lies_along_the_inner_side_of_its_box():
    picture = draw_predictions(image(), found([[100, 50, 200, 150]]), NAMES, BARE)
    assert extent(is_colour(picture, class_colour(0))) == (100, 50, 200, 150)
    assert not changed(picture)[60:140, 110:190].any()


def test_small_objects_of_large_images_stay_visible():
    size, small, large = 3000, [1000, 1000, 1020, 1020], [100, 100, 900, 800]
    two = found([small, large], labels=[0, 1])
    bare = draw_predictions(image(size, size), two, NAMES, BARE)
    assert not changed(bare)[1002:1018, 1002:1018].any()
    assert is_colour(bare, class_colour(1))[108, 100:900].all(), "lines of large objects grow with the picture"

    labelled = draw_predictions(image(size, size), two, NAMES, BARE._replace(labels=True))
    cat, dog = (extent(is_colour(labelled, class_colour(label))) for label in (0, 1))
    assert cat[3] - cat[1] < 20 + 20, "a plate above the object that is no higher than it"
    assert dog[3] - dog[1] > 700 + 50

    pairs = np.array([[1000 + 10 * (number % 30), 1000 + 10 * (number // 30)] for number in range(900)], np.float32)
    dots = changed(draw_predictions(image(size, size), {"dots": pairs}, NAMES, BARE))[1000:1290, 1000:1290]
    assert dots.mean() < 0.5

    person = np.array([[[1000, 1000, 9], [1020, 1060, 9]]], np.float32)
    drawn = draw_predictions(image(size, size), found([[1000, 1000, 1020, 1060]], keypoints=person), NAMES, BARE._replace(boxes=False))
    left, top, right, bottom = extent(changed(drawn))
    assert right - left < 20 + 12 and bottom - top < 60 + 12


def test_boxes_at_the_border_of_the_image_are_not_cut():
    picture = draw_predictions(image(), found([[0, 0, 500, 300]]), NAMES, BARE)
    frame = is_colour(picture, class_colour(0))
    assert frame[0].all()
    assert frame[-1].all()
    assert frame[:, 0].all()
    assert frame[:, -1].all()


def test_what_cannot_be_drawn_is_left_out():
    boxes = [[np.nan, 0, 10, 10], [-1e9, -1e9, 1e9, 1e9], [700, 700, 800, 800], [20, 20, 20, 20]]
    draw_predictions(image(), found(boxes, labels=[0, 1, 2, 999]), NAMES)
    nothing = draw_predictions(image(), found([]), NAMES, BARE)
    assert not changed(nothing).any()


def test_objects_below_the_threshold_are_not_drawn():
    predictions = found([[10, 10, 100, 100], [200, 10, 300, 100]], scores=[0.49, 0.5])
    picture = draw_predictions(image(), predictions, NAMES, BARE)
    assert not changed(picture)[:, :150].any()
    assert changed(picture)[:, 150:].any()


def test_the_image_is_not_written_into():
    given = image()
    draw_predictions(given, found([[10, 10, 100, 100]]), NAMES)
    assert (given == GRAY).all()


def test_small_images_are_enlarged_so_that_text_can_be_read():
    assert draw_predictions(image(128, 128), {}, NAMES).shape == (512, 512, 3)
    assert draw_predictions(image(8, 8), {}, NAMES).shape[0] >= 400
    assert draw_predictions(image(800, 1333), {}, NAMES).shape == (800, 1333, 3)
    assert draw_predictions(image(100, 200), {}, NAMES, DrawSettings(scale=0.5)).shape == (50, 100, 3)
    picture = draw_predictions(image(128, 128), found([[32, 32, 64, 96]]), NAMES, DrawSettings(labels=False))
    assert extent(is_colour(picture, class_colour(0))) == (128, 128, 256, 384)


def test_masks_of_the_area_of_a_box_are_pasted_and_tinted():
    masks = np.zeros((1, 28, 28), np.float32)
    masks[:, :, :14] = 1
    picture = draw_predictions(
        image(), found([[100, 50, 200, 150]], masks=masks), NAMES, DrawSettings(labels=False, boxes=False, scale=1.0)
    )
    left, top, right, bottom = extent(changed(picture))
    # the outline is smooth and may touch the next pixel
    assert (left, top, right, bottom) == pytest.approx((100, 50, 150, 150), abs=2)
    expected = np.round(GRAY * 0.55 + np.array(class_colour(0)) * 0.45)
    assert np.abs(picture[100, 120].astype(int) - expected).max() <= 1


def test_masks_of_samples_are_drawn_whatever_they_are_made_of():
    polygon = InstanceMasks.from_segmentations([[[10, 10, 60, 10, 60, 40, 10, 40]]], (300, 500))
    sample = {"image": image(), "boxes": np.array([[10, 10, 60, 40]], np.float32), "labels": np.array([1])}
    pictures = [draw_targets({**sample, "masks": masks}, NAMES, BARE) for masks in (polygon, polygon.rasterise())]
    assert np.array_equal(*pictures)
    assert extent(changed(pictures[0])[11:39, 11:59]) == (0, 0, 48, 28)


def test_keypoints_that_are_absent_are_not_drawn():
    sample = {"image": image(), "boxes": np.array([[10, 10, 200, 200]], np.float32), "labels": np.array([0])}
    settings = DrawSettings(labels=False, boxes=False, scale=1.0)
    points = np.array([[[50, 50, 2], [150, 100, 1]]], np.float32)
    joined = changed(draw_targets({**sample, "keypoints": points}, NAMES, settings))
    assert joined[50, 50]
    assert joined[75, 100]
    assert joined[100, 150]
    alone = changed(draw_targets({**sample, "keypoints": points * [[[1, 1, 1], [0, 0, 0]]]}, NAMES, settings))
    assert alone[50, 50]
    assert extent(alone)[2] < 60
    assert not alone[:5, :5].any()


def test_keypoints_of_predictions_have_a_threshold():
    predictions = found([[10, 10, 200, 200]], keypoints=np.array([[[50, 50, 3.0], [150, 100, 0.5]]], np.float32))
    settings = DrawSettings(labels=False, boxes=False, scale=1.0, keypoint_threshold=1.0)
    drawn = changed(draw_predictions(image(), predictions, NAMES, settings))
    assert drawn[50, 50]
    assert not drawn[100, 150]


def test_background_and_ignored_pixels_stay_as_they_are():
    labels = np.zeros((300, 500), np.uint8)
    labels[:100], labels[100:200] = 1, 255
    picture = draw_predictions(image(), {"semseg": labels}, NAMES, BARE)
    assert changed(picture)[:100].all()
    assert not changed(picture)[100:].any()


def test_a_class_has_one_colour_for_objects_and_pixels():
    assert NAMES.pixel_class_colour(2) == class_colour(1)
    others = {NAMES.pixel_class_colour(1), NAMES.part_colour(1)}
    assert len(others) == 2
    assert not others & {class_colour(index) for index in range(3)}


def test_a_legend_names_the_colours_that_occur():
    labels = np.ones((300, 500), np.uint8)
    with_legend = draw_predictions(image(), {"semseg": labels}, NAMES)
    strip = with_legend[300:]
    assert strip.shape[0] > 10
    assert is_colour(strip, NAMES.pixel_class_colour(1)).any()
    assert not is_colour(strip, NAMES.pixel_class_colour(2)).any()


def test_a_long_legend_gets_more_rows():
    labels = np.arange(100, dtype=np.uint8).reshape(10, 10)
    names = TargetNames(semseg_classes=[f"class number {index}" for index in range(100)])
    strip = draw_predictions(image(10, 10), {"semseg": labels}, names)[440:]
    colours = [class_colour(index) for index in range(100)]
    assert all(is_colour(strip, colour).sum() >= 100 for colour in colours)


def test_parts_of_predictions_are_drawn():
    parsing = np.zeros((1, 2, 8, 8), np.float32)
    parsing[:, 0], parsing[:, 1, :4] = 0.5, 1.0
    predictions = found([[100, 100, 200, 200]], parsing=parsing)
    picture = draw_predictions(image(), predictions, NAMES, DrawSettings(labels=False, boxes=False, legend=False, scale=1.0))
    left, top, right, bottom = extent(changed(picture))
    assert (left, top, right) == (100, 100, 200)
    assert bottom == pytest.approx(150, abs=8)


def test_the_most_probable_class_of_an_image_is_written():
    logits = np.array([0.0, 5.0, 1.0], np.float32)
    assert is_colour(draw_predictions(image(), {"logits": logits}, NAMES), class_colour(1)).any()
    assert not changed(draw_predictions(image(), {"logits": logits}, NAMES, DrawSettings(classes=0))).any()


CORNERS = [[0, 0, 30, 30], [470, 0, 500, 30], [0, 270, 30, 300], [470, 270, 500, 300], [-50, -50, 20, 20], [490, 290, 600, 400]]


@pytest.mark.parametrize("box", CORNERS)
@pytest.mark.parametrize("name", ["x", "a rather long name of a class", "w" * 300])
def test_labels_are_never_cut_at_the_border(box, name):
    layer = LabelLayer((300, 500), 14)
    colour = (255, 255, 0)
    layer.add(name, "0.87", box, colour)
    picture = image()
    layer.write(picture)
    left, top, right, bottom = extent(changed(picture))
    text = shorten(name, 14, 14 * 14)
    assert right - left >= text_width("0.87", 14) + min(text_width(text, 14), 120)
    plate = picture[top:bottom, left:right]
    assert (plate[:, 0] == colour).all()
    assert (plate[:, -1] == colour).all()
    assert bottom - top == render("x", 14).shape[0]


def test_labels_of_objects_at_one_place_lie_next_to_each_other():
    layer = LabelLayer((300, 500), 14)
    for index in range(4):
        layer.add("dog", "0.9", (200, 100, 300, 200), class_colour(index))
    picture = image()
    layer.write(picture)
    areas = [is_colour(picture, class_colour(index)).sum() for index in range(4)]
    assert max(areas) < 1.1 * min(areas)


def boxes_on_a_grid(count, edge=40):
    columns = 500 // edge
    places = np.arange(count)
    left, top = places % columns * edge, places // columns * edge % (300 - edge)
    return np.stack([left, top, left + edge - 10, top + edge - 10], axis=1).astype(np.float32)


def test_labels_that_would_cover_everything_are_left_out():
    few, many = (found(boxes_on_a_grid(count), labels=[0] * count, scores=[0.9] * count) for count in (12, 3000))
    bare = DrawSettings(labels=False, scale=1.0)
    assert not np.array_equal(draw_predictions(image(), few, NAMES, DrawSettings(scale=1.0)), draw_predictions(image(), few, NAMES, bare))
    assert np.array_equal(draw_predictions(image(), many, NAMES, DrawSettings(scale=1.0)), draw_predictions(image(), many, NAMES, bare))
    # a picture with hardly any room has the labels of its few objects
    one = found([[1, 1, 9, 9]], labels=[0], scores=[0.9])
    tiny = [draw_predictions(image(12, 12), one, NAMES, DrawSettings(scale=1.0, labels=labels)) for labels in (True, False)]
    assert not np.array_equal(*tiny)


def test_text_is_shortened_at_its_end():
    assert shorten("dog", 14, 100) == "dog"
    short = shorten("a rather long name of a class", 14, 100)
    assert short.endswith("…")
    assert 60 < text_width(short, 14) <= 100
    assert shorten("two\nlines", 14, 1000) == "two lines"


@pytest.mark.parametrize("name", ["straße", "Ελλάδα", "人", "", "\n"])
def test_names_in_any_script_are_drawn(name):
    draw_predictions(image(), found([[100, 100, 200, 200]]), TargetNames(classes=(name,)))


def test_a_sheet_cuts_nothing():
    pictures = [
        np.full((height, width, 3), class_colour(index), np.uint8)
        for index, (height, width) in enumerate([(50, 80), (400, 100), (90, 900)], 1)
    ]
    sheet = make_sheet(pictures, ["a", "b", "c" * 500], columns=2, cell=(100, 200))
    assert is_colour(sheet, class_colour(1)).sum() == 50 * 80
    left, top, right, bottom = extent(is_colour(sheet, class_colour(2)))
    assert (right - left, bottom - top) == (25, 100)
    left, top, right, bottom = extent(is_colour(sheet, class_colour(3)))
    assert (right - left, bottom - top) == (200, 20)


def test_a_sheet_of_samples():
    samples = [(f"{index}", {"image": image(40, 60), "label": index}, NAMES) for index in range(3)]
    sheet = draw_sample_sheet(samples, DrawSettings(), columns=2, cell=(120, 180))
    assert all(is_colour(sheet, class_colour(index)).any() for index in range(3))
    assert is_colour(sheet, (GRAY, GRAY, GRAY)).sum() > 3 * 0.8 * 120 * 180


def test_every_key_is_read():
    changes = {
        "VIS.SCORE_THRESHOLD": ("score_threshold", 0.7),
        "VIS.SCALE": ("scale", 2.0),
        "VIS.LABELS": ("labels", False),
        "VIS.LEGEND": ("legend", False),
        "VIS.CLS.ENABLED": ("classes", 0),
        "VIS.CLS.TOP_COUNT": ("classes", 3),
        "VIS.BOX.ENABLED": ("boxes", False),
        "VIS.MASK.ENABLED": ("masks", False),
        "VIS.MASK.ALPHA": ("mask_alpha", 0.1),
        "VIS.KEYPOINTS.ENABLED": ("keypoints", False),
        "VIS.KEYPOINTS.SCORE_THRESHOLD": ("keypoint_threshold", 2.0),
        "VIS.PARSING.ENABLED": ("parsing", False),
        "VIS.PARSING.ALPHA": ("parsing_alpha", 0.1),
        "VIS.SEMSEG.ENABLED": ("semseg", False),
        "VIS.SEMSEG.ALPHA": ("semseg_alpha", 0.1),
        "VIS.DOTS.ENABLED": ("dots", False),
        "VIS.DENSITY.ENABLED": ("density", False),
        "VIS.DENSITY.ALPHA": ("density_alpha", 0.1),
    }
    assert set(CfgNode(VIS_SCHEMA).flat()) == set(changes)
    for key, (field, value) in changes.items():
        cfg = CfgNode(VIS_SCHEMA)
        cfg.set(key, value if field != "classes" or value else False)
        assert getattr(build_draw_settings(cfg), field) == value
    assert build_draw_settings(CfgNode(VIS_SCHEMA)) == DrawSettings() == build_draw_settings(CfgNode({}))


def test_an_alpha_above_one_is_refused():
    cfg = CfgNode(VIS_SCHEMA)
    cfg.set("VIS.MASK.ALPHA", 45)
    with pytest.raises(ConfigError, match=r"VIS\.MASK\.ALPHA: 45 given, a share from 0 to 1 expected"):
        build_draw_settings(cfg)
