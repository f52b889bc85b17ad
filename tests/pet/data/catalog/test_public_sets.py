"""Public sets by name: what is known of them, and what is reported where they are not there."""

from pathlib import Path

import numpy as np
import pytest

from pet.data.catalog.entries import find_entry
from pet.data.catalog.public_sets import GID_CLASSES, PUBLIC_SETS, find_by_id
from pet.data.catalog.source import WHOLE, Reading, Source
from pet.data.datasets.public_set import build_public_set, public_coding
from pet.data.loading.build import build_dataset
from pet.vision import config
from petlib.errors import ConfigError, DataError
from tests.pet.data.label_files import write, write_image

DOCUMENT = [  # the example of AI Earth
    *("背景", "industrial_land", "garden_land", "urban_residential", "arbor_forest", "rural_residential", "shrub_land", "traffic_land"),
    *("natural_meadow", "paddy_field", "artificial_meadow", "irrigated_land", "river", "dry_cropland", "lake", "pond"),
]


@pytest.mark.parametrize("name", PUBLIC_SETS)
def test_the_table_is_whole(name: str) -> None:
    public = PUBLIC_SETS[name]
    assert public.name == name == name.lower()
    assert len(public.classes) == len(set(public.classes)) == len(public.colours)
    assert public.task in {"landcover", "changedet", "target_extraction"}
    assert bool(public.images2) == (public.task == "changedet")
    assert public.homepage.startswith("http")
    assert public.sources
    assert public_coding(public, None, WHOLE).classes == list(public.classes)


def test_sets_are_found_by_their_number() -> None:
    found = find_by_id(600054)
    assert found is not None
    assert (found.name, found.samples, len(found.classes)) == ("gid_15_train", 21000, 16)
    assert find_by_id("600042") is PUBLIC_SETS["levir_cd_train"]
    assert find_by_id(1) is None


def test_an_absent_set_says_what_to_put_where(tmp_path: Path) -> None:
    cfg = config.get_base_cfg()
    cfg.set("MISC.DATA_ROOT", str(tmp_path))
    with pytest.raises(DataError) as failure:
        build_dataset(cfg, ["levir_cd_train"], ["semseg"])
    reported = str(failure.value)
    assert "Get the files at https://justchenhao.github.io/LEVIR/ and put them into" in reported
    assert all(f"{tmp_path}/LEVIR-CD/train/{part}/" in reported for part in ("A", "B", "label"))


def test_masks_of_a_pair_become_classes(tmp_path: Path) -> None:
    folder = tmp_path / "LEVIR-CD" / "val"
    for part, value in (("A", 1), ("B", 2)):
        write_image(folder / part / "val_1.png", value)
    write(folder / "label" / "val_1.png", np.array([[0, 255, 0, 0, 0, 255]] * 4, np.uint8))
    cfg = config.get_base_cfg()
    cfg.set("MISC.DATA_ROOT", str(tmp_path))
    sample = build_dataset(cfg, ["levir_cd_val"], ["semseg"])[0]
    assert sample["semseg"][0].tolist() == [0, 1, 0, 0, 0, 1]
    assert (sample["image2"] == 2).all()


def make_source(name: str, folder: Path, classes: list[str] | None = None) -> Source:
    return Source(path=folder, split=name, classes=classes)


def test_names_of_label_images_may_have_an_ending_and_classes_another_order(tmp_path: Path) -> None:
    write_image(tmp_path / "img_dir" / "train" / "GF2.tif", size=(1, 4))
    write(tmp_path / "ann_dir" / "train" / "GF2_15label.png", np.array([[0, 1, 5, 15]], np.uint8))
    assert build_public_set(make_source("gid_15_train", tmp_path))[0]["semseg"].tolist() == [[0, 1, 5, 15]]
    dataset = build_public_set(make_source("gid_15_train", tmp_path, DOCUMENT))
    assert dataset.info.classes == DOCUMENT
    labels = dataset[0]["semseg"][0]
    assert [DOCUMENT[label] for label in labels[1:]] == [GID_CLASSES[number] for number in (1, 5, 15)]


def test_places_without_data_of_loveda_do_not_count() -> None:
    coding = public_coding(PUBLIC_SETS["loveda_val_rural_2021"], None, WHOLE)
    assert coding.classes_of(np.array([[0, 1, 7]], np.uint8), "a.png").tolist() == [[255, 0, 6]]


def test_colours_of_second_say_what_changed() -> None:
    coding = public_coding(PUBLIC_SETS["semantic_change_detection_second"], None, WHOLE)
    colours = np.array([[[255, 255, 255], [128, 0, 0], [0, 0, 255]]], np.uint8)
    assert coding.classes_of(colours, "a.png").tolist() == [[0, 1, 1]]


def test_classes_may_have_other_names_and_a_filter() -> None:
    public = PUBLIC_SETS["building_aerial_imagery_val"]
    assert public_coding(public, ["sonst", "Haus"], WHOLE).classes == ["sonst", "Haus"]
    gid = public_coding(PUBLIC_SETS["gid_15_val"], None, Reading(classes_filter=("river", "lake")))
    assert gid.classes == ["background", "river", "lake"]
    assert gid.classes_of(np.array([[0, 13, 14, 15]], np.uint8), "a.png").tolist() == [[0, 1, 2, 0]]
    with pytest.raises(ConfigError, match=r"gid_15_val: the classes background, river given, .* classes_filter chooses some"):
        public_coding(PUBLIC_SETS["gid_15_val"], ["background", "river"], WHOLE)


def test_unknown_sets_are_reported_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown public data set 'gid_15_tran'; did you mean gid_15_train"):
        build_public_set(make_source("gid_15_tran", tmp_path))
    cfg = config.get_base_cfg()
    assert find_entry(cfg, "gid_15_train").path == "GID"
    with pytest.raises(ConfigError, match="unknown data set 'gid_15_tran'; did you mean gid_15_train"):
        find_entry(cfg, "gid_15_tran")
