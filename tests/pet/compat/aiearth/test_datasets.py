"""Data sets and samplers under AI Earth's names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pet.compat.aiearth.cloud.datasets import BinaryChangeDetDataset, LandcoverDataset, PublicDatasetMeta, TargetExtractionDataset
from pet.compat.aiearth.datasets import (
    ChangeDetNonGeoCustomDataset,
    LandcoverNonGeoCustomDataset,
    NonGeoDataset,
    TargetExtractionNonGeoCustomDataset,
)
from pet.compat.aiearth.sampler import RandomNonGeoDatasetSampler, SequentialNonGeoDatasetSampler
from pet.data.catalog.public_sets import PUBLIC_SETS
from petlib.errors import ConfigError, DataError
from tests.pet.compat.aiearth.image_files import write, write_gid, write_pairs

GID_ID = 600054
SHAPES: dict[str, Any] = {"img_shape": (64, 64, 3), "ann_shape": (64, 64, 1)}


def pairs(root: Path, **changes: Any) -> ChangeDetNonGeoCustomDataset:
    folders = {"img_dir": root / "images1", "img2_dir": root / "images2", "ann_dir": root / "annotations"}
    arguments: dict[str, Any] = {"classes": ["background", "change"], **SHAPES, **folders, **changes}
    return ChangeDetNonGeoCustomDataset(**arguments)


def files_of(dataset: NonGeoDataset) -> list[str]:
    samples = dataset.samples()
    return [Path(samples[index]["meta"]["file"]).stem for index in range(len(samples))]


def test_pairs_from_folders(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["a", "b c", "d"])
    dataset = pairs(tmp_path, img_dir=str(tmp_path / "images1"), img_suffix=".jpg", ann_suffix=".png")
    assert (len(dataset), dataset.num_images, dataset.classes) == (3, 2, ["background", "change"])
    assert (dataset.img_shape, dataset.ann_shape) == ((64, 64, 3), (64, 64, 1))
    sample = dataset.samples()[1]
    assert sample["image2"].shape == (64, 64, 3)
    assert sample["semseg"].sum() == 32 * 32
    assert sample["meta"]["file2"].endswith("images2/b c.jpg")


def test_other_suffixes_in_one_folder(tmp_path: Path) -> None:
    for name in ("x", "y"):
        write(tmp_path / f"{name}.jpg", np.full((8, 6, 3), 7, np.uint8))
        write(tmp_path / f"{name}.png", np.ones((8, 6), np.uint8))
    dataset = LandcoverNonGeoCustomDataset(
        classes=["sea", "land"], img_shape=[8, 6, 3], ann_shape=[8, 6, 1], img_dir=tmp_path, ann_dir=tmp_path
    )
    assert files_of(dataset) == ["x", "y"]


def test_an_explicit_list(tmp_path: Path) -> None:
    image = write(tmp_path / "one.png", np.zeros((8, 8, 3), np.uint8))
    label = write(tmp_path / "other.png", np.full((8, 8), 255, np.uint8))
    shapes: dict[str, Any] = {"img_shape": (8, 8, 3), "ann_shape": (8, 8, 1), "classes": ["background", "target"]}
    dataset = TargetExtractionNonGeoCustomDataset(**shapes, img_ann_mapping_list=[{"img": str(image), "ann": str(label)}])
    assert (dataset.samples()[0]["semseg"] == 255).all()
    with pytest.raises(DataError, match=r"record 0 of img_ann_mapping_list is .*, paths for img, ann expected"):
        TargetExtractionNonGeoCustomDataset(**shapes, img_ann_mapping_list=[{"img": str(image)}])
    with pytest.raises(DataError, match=r"record 0: .*gone\.png: there is no such file"):
        TargetExtractionNonGeoCustomDataset(**shapes, img_ann_mapping_list=[{"img": str(image), "ann": str(tmp_path / "gone.png")}])


def test_label_images_alone_are_left_out_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_pairs(tmp_path, ["a", "b"])
    write(tmp_path / "annotations" / "alone.png", np.zeros((64, 64), np.uint8))
    assert len(pairs(tmp_path)) == 2
    assert "left out, as there is no such image: alone" in caplog.text


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"img_shape": (32, 32, 3)}, DataError, r"img_shape: \(32, 32, 3\) given .* but it is \(64, 64, 3\) for .*a\.jpg"),
        ({"ann_shape": (64, 64, 3)}, DataError, r"ann_shape: \(64, 64, 3\) given .* but it is \(64, 64, 1\)"),
        ({"img2_dir": None}, ConfigError, r"img2_dir not given; name the folders, or the files in img_ann_mapping_list"),
        ({"ann_dir": "nowhere"}, DataError, r"nowhere: there is no such folder; ann_dir has to name one"),
        ({"img_suffix": ".tif"}, DataError, r"no file in it ends in '\.tif'; set img_suffix"),
        ({"classes": ["change"]}, DataError, r"the label image has the value 1, 0 to 0 expected"),
    ],
)
def test_mistakes_are_reported_when_the_data_set_is_made(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    write_pairs(tmp_path, ["a"])
    with pytest.raises(error, match=message):
        pairs(tmp_path, **changes)


def test_an_image_without_a_partner(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["a", "b"])
    (tmp_path / "annotations" / "b.png").unlink()
    with pytest.raises(
        DataError, match=r"annotations: no file b\.png there for 1 of the 2 images in .*images1; files are paired by their names"
    ):
        pairs(tmp_path)


def test_gid_has_the_classes_of_the_document(tmp_path: Path) -> None:
    write_gid(tmp_path, 2)
    dataset = LandcoverDataset(PublicDatasetMeta.GID_15_TRAIN["dataset_id"], data_root=tmp_path)
    assert (dataset.id, len(dataset)) == (GID_ID, 2)
    assert dataset.classes[:4] == ["background", "industrial_land", "garden_land", "urban_residential"]
    # the files have industrial land 1, urban residential 2 and garden land 8
    assert dataset.samples()[0]["semseg"][:: 64 // 16, 0][[0, 1, 2, 8]].tolist() == [0, 1, 3, 2]


def test_a_filter_keeps_some_classes(tmp_path: Path) -> None:
    write_gid(tmp_path, 1)
    dataset = TargetExtractionDataset(GID_ID, data_root=tmp_path, classes_filter=["river"])
    assert dataset.classes == ["background", "river"]
    assert dataset.samples()[0]["semseg"][:: 64 // 16, 0].tolist() == [int(number == 13) for number in range(16)]
    dataset.set_classes_filter(["lake", "river"])
    assert dataset.samples()[0]["semseg"][::4, 0].tolist() == [{14: 1, 13: 2}.get(number, 0) for number in range(16)]
    dataset.restore_classes()
    assert len(dataset.classes) == 16
    with pytest.raises(ConfigError, match=r"'rivr' is none of the classes; did you mean river\?"):
        dataset.set_classes_filter(["rivr"])


def test_absent_files_say_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        LandcoverDataset(GID_ID, data_root=tmp_path)
    for words in ("https://captain-whu.github.io/GID15/", str(tmp_path / "GID" / "img_dir" / "train"), "_15label"):
        assert words in str(caught.value)


def test_numbers_of_other_data_sets() -> None:
    with pytest.raises(ConfigError, match=r"data set 411: there is no public data set of this number; there are .*600054 \(GID_15_TRAIN\)"):
        LandcoverDataset(411)
    with pytest.raises(
        ConfigError, match=r"data set 600054 is GID_15_TRAIN, which is for landcover; here belong 600042 \(LEVIR_CD_TRAIN\)"
    ):
        BinaryChangeDetDataset(GID_ID)


def test_every_public_set_with_a_number_has_a_name() -> None:
    named = {name: meta["dataset_id"] for name, meta in vars(PublicDatasetMeta).items() if isinstance(meta, dict)}
    assert named == {known.name.upper(): known.dataset_id for known in PUBLIC_SETS.values() if known.dataset_id is not None}


def test_labels_follow_the_names_of_a_job(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["a"])
    dataset = pairs(tmp_path)
    turned = dataset.samples(["change", "background"])
    assert turned.info.classes == ["change", "background"]
    assert np.array_equal(turned[0]["semseg"], 1 - dataset.samples()[0]["semseg"])
    assert np.array_equal(dataset.samples(["背景", "new buildings"])[0]["semseg"], dataset.samples()[0]["semseg"])
    assert np.array_equal(dataset.samples(["new buildings", "背景"])[0]["semseg"], turned[0]["semseg"])
    with pytest.raises(
        ConfigError, match=r"has 2 classes and the job 3; only the job has new; set classes of the job to \['background', 'ch"
    ):
        dataset.samples(["background", "change", "new"])


def test_splits_are_parts_of_the_data_set(tmp_path: Path) -> None:
    write_pairs(tmp_path, [f"p{number}" for number in range(10)])
    dataset = pairs(tmp_path)
    train, val = RandomNonGeoDatasetSampler.split_by_percent(dataset, 0.8)
    assert (type(train), len(train), len(val)) == (ChangeDetNonGeoCustomDataset, 8, 2)
    assert sorted([*files_of(train), *files_of(val)]) == files_of(dataset)
    assert files_of(RandomNonGeoDatasetSampler.split_by_percent(dataset, 0.8)[1]) == files_of(val)
    assert len({tuple(files_of(RandomNonGeoDatasetSampler.split_by_percent(dataset, 0.8, seed=seed)[1])) for seed in range(5)}) > 1
    first, rest = SequentialNonGeoDatasetSampler.split_by_count(dataset, 3)
    assert (files_of(first), len(rest)) == (["p0", "p1", "p2"], 7)
    assert files_of(SequentialNonGeoDatasetSampler.sample_by_percent(dataset, 0.2)) == ["p0", "p1"]
    assert len(RandomNonGeoDatasetSampler.sample_by_count(dataset, 4)) == 4
    train.set_classes_filter(["change"])
    assert (dataset.classes_filter, val.classes_filter) == ([], [])
    with pytest.raises(ConfigError, match="two ascending numbers from 0 to 1"):
        RandomNonGeoDatasetSampler.split_by_percent(dataset, 80)
