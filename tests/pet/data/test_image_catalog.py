"""Names, paths and entries of the catalogue."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pet.data.catalog.entries import BUILTIN, TYPES_OF_FILES, CatalogEntry, find_entry, resolve_path
from pet.data.catalog.source import Reading, Source
from pet.data.config import DATA_SCHEMA
from pet.data.loading.build import DATASETS, build_dataset
from pet.data.targets.dataset import Dataset, DatasetInfo
from petlib.config import PETLIB_SCHEMA, CfgNode, ConfigError, merge_schemas


def make_cfg(root: Path | str = "data", **catalog: Any) -> CfgNode:
    cfg = CfgNode(merge_schemas(PETLIB_SCHEMA, DATA_SCHEMA))
    cfg.set("MISC.DATA_ROOT", str(root))
    cfg.set("DATA.CATALOG", catalog)
    return cfg


def test_names_refer_to_paths_below_the_root() -> None:
    cfg = make_cfg("elsewhere")
    entry = find_entry(cfg, "cifar10_test")
    assert entry == CatalogEntry("cifar10", "cifar/cifar-10-batches-py", "test")
    assert resolve_path(cfg, entry.path) == Path("elsewhere/cifar/cifar-10-batches-py")
    assert resolve_path(cfg, find_entry(cfg, "imagenet_val").path) == Path("elsewhere/imagenet/val")


def test_the_catalogue_of_a_config_adds_names_and_goes_before() -> None:
    cfg = make_cfg(flowers={"type": "image_folder", "path": "f"}, digits_train={"type": "list_file", "path": "/own/digits.txt"})
    assert find_entry(cfg, "flowers") == CatalogEntry("image_folder", "f")
    assert find_entry(cfg, "digits_train").type == "list_file"
    assert find_entry(cfg, "digits_test").type == "digits"
    assert resolve_path(cfg, "/own/digits.txt") == Path("/own/digits.txt")


def test_paths_can_be_given_straight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("root/below", "here"):
        (tmp_path / folder).mkdir(parents=True)
    cfg = make_cfg("root")
    for name, path in (("below", "root/below"), ("here", "here"), (str(tmp_path / "here"), str(tmp_path / "here"))):
        entry = find_entry(cfg, name)
        assert entry == CatalogEntry("image_folder", name)
        assert resolve_path(cfg, entry.path) == Path(path)
    for name in ("a.txt", "b/c.csv", "/d.tsv"):
        assert find_entry(cfg, name).type == "list_file"


def test_an_unknown_name_is_reported_with_the_nearest_and_how_to_give_a_path() -> None:
    with pytest.raises(ConfigError, match=r"unknown data set 'cifar_10_train'; did you mean cifar10_train") as failure:
        find_entry(make_cfg(flowers={"type": "image_folder", "path": "f"}), "cifar_10_train")
    assert "flowers, digits_train" in str(failure.value)
    assert "give the path of a folder of class folders, or of a list file (.txt, .csv, .tsv)" in str(failure.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("flowers/train", "DATA.CATALOG.x: 'flowers/train' given, a mapping like"),
        ({"path": "f"}, "DATA.CATALOG.x: .* given, a mapping like"),
        ({"type": "image_folder", "pth": "f"}, "DATA.CATALOG.x: unknown entry 'pth'; did you mean path"),
        ({"type": "image_folder"}, "DATA.CATALOG.x: .* has no path; say where the image_folder is"),
        ({"type": "voc"}, "DATA.CATALOG.x: .* has no path; say where the voc is"),
        ({"type": "coco", "annotations": "a.json"}, "DATA.CATALOG.x: .* has no path; say where the coco is"),
        (
            {"type": "coco", "path": "images"},
            "DATA.CATALOG.x: .* has no annotations; say where those of the coco are, below MISC.DATA_ROOT",
        ),
        (
            {"type": "semseg_folder", "path": "images", "annotations": None},
            "DATA.CATALOG.x: .* has no annotations; say where those of the sem",
        ),
    ],
)
def test_a_wrong_entry_is_reported(given: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_entry(make_cfg(x=given), "x")


@pytest.mark.parametrize(
    ("name", "kind", "path", "split", "annotations"),
    [
        ("coco_2017_val", "coco", "coco/val2017", "train", "coco/annotations/instances_val2017.json"),
        ("keypoints_coco_2017_train", "coco", "coco/train2017", "train", "coco/annotations/person_keypoints_train2017.json"),
        ("voc_2007_test", "voc", "VOCdevkit/VOC2007", "test", ""),
        ("voc_2012_trainval", "voc", "VOCdevkit/VOC2012", "trainval", ""),
        ("bccd_val", "voc", "bccd", "val", ""),
        ("cihp_val", "cihp", "CIHP/instance-level_human_parsing", "val", ""),
        ("ade20k_train", "ade20k", "ADEChallengeData2016", "train", ""),
        ("shapes_test", "shapes", "shapes", "test", ""),
    ],
)
def test_the_layouts_of_published_data_are_known(name: str, kind: str, path: str, split: str, annotations: str) -> None:
    cfg = make_cfg("root")
    entry = find_entry(cfg, name)
    assert entry == CatalogEntry(kind, path, split, annotations)
    assert resolve_path(cfg, entry.path) == Path("root") / path


def test_every_type_is_a_data_set() -> None:
    types = {entry.type for entry in BUILTIN.values()} | set(TYPES_OF_FILES)
    assert types == {name for name in DATASETS.names() if DATASETS.get(name).__module__.startswith("pet.")}
    assert all(callable(DATASETS.get(kind)) for kind in types)


def test_keys_of_label_images_are_read() -> None:
    given = {
        "type": "semseg_folder",
        "path": "A",
        "images2": "B",
        "annotations": "gt",
        "classes": ["no", "yes"],
        "share": [0.8, 1.0],
        "seed": 3,
        "classes_filter": ["yes"],
        "label_values": [0, 255],
        "raw_labels": False,
        "bands": [3, 2, 1],
        "window": 512,
        "stride": 128,
    }
    entry = find_entry(make_cfg(x=given), "x")
    assert (entry.images2, entry.annotations, entry.classes, entry.share, entry.seed) == ("B", "gt", ("no", "yes"), (0.8, 1.0), 3)
    assert entry.reading == Reading(("yes",), (0, 255), False, (3, 2, 1), 512, 128)
    assert find_entry(make_cfg(x={"type": "label_list", "path": "A", "separator": "\t"}), "x").separator == "\t"
    colours = {"label_colours": [[0, 0, 0], [200, 0, 10]], "ignore_colours": [[9, 9, 9]], "label_ending": "_mask"}
    coloured = find_entry(make_cfg(x={"type": "semseg_folder", "path": "A", "annotations": "gt", **colours}), "x")
    assert coloured.reading == Reading(label_colours=((0, 0, 0), (200, 0, 10)), ignore_colours=((9, 9, 9),))
    assert coloured.label_ending == "_mask"
    assert find_entry(make_cfg(x={"type": "label_list", "path": "A", "ignore_values": [11]}), "x").reading == Reading(ignore_values=(11,))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"window": -1}, "DATA.CATALOG.x.window: -1 given, a number of pixels; 0: whole images expected"),
        ({"bands": "rgb"}, "DATA.CATALOG.x.bands: 'rgb' given, a list of numbers"),
        ({"raw_labels": 1}, "DATA.CATALOG.x.raw_labels: 1 given, true or false expected"),
        ({"share": [0.8, 0.2]}, r"DATA.CATALOG.x.share: \[0.8, 0.2\] given, two ascending numbers from 0 to 1"),
        ({"share": 0.8}, "DATA.CATALOG.x.share: 0.8 given, two ascending numbers"),
        ({"classes": "road"}, "DATA.CATALOG.x.classes: 'road' given, a list of names expected"),
        ({"images2": "B"}, "DATA.CATALOG.x: label_list has no images2; semseg_folder have"),
        ({"ignore_values": 11}, r"DATA.CATALOG.x.ignore_values: 11 given, a list of numbers, e\.g\. \[11\] expected"),
        ({"label_colours": [[0, 0]]}, r"DATA.CATALOG.x.label_colours: \[\[0, 0\]\] given, a colour \[R, G, B\] for each class"),
        ({"ignore_colours": [[0, 0, 256]]}, r"DATA.CATALOG.x.ignore_colours: .* given, a list of colours"),
        ({"label_ending": "_mask"}, "DATA.CATALOG.x: label_list has no label_ending; semseg_folder have"),
        ({"type": "ade20k", "ignore_values": [0]}, "DATA.CATALOG.x: ade20k has no ignore_values; semseg_folder, label_list"),
        ({"windw": 5}, "DATA.CATALOG.x: unknown entry 'windw'; did you mean window"),
        ({"type": "voc", "window": 5}, "DATA.CATALOG.x: voc has no window; semseg_folder, ade20k, label_list"),
    ],
)
def test_a_wrong_key_of_label_images_is_reported(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_entry(make_cfg(x={"type": "label_list", "path": "A", **given}), "x")


def test_pairs_of_keypoints_are_read() -> None:
    given = {"type": "coco", "path": "A", "annotations": "a.json"}
    assert find_entry(make_cfg(x=given), "x").flip_pairs is None
    assert find_entry(make_cfg(x={**given, "flip_pairs": []}), "x").flip_pairs == ()
    assert find_entry(make_cfg(x={**given, "flip_pairs": [["L_Eye", "R_Eye"], [2, 3]]}), "x").flip_pairs == (("L_Eye", "R_Eye"), (2, 3))
    for wrong in (["L_Eye", "R_Eye"], [["L_Eye"]], [["L_Eye", 3]], "left"):
        with pytest.raises(ConfigError, match="DATA.CATALOG.x.flip_pairs: .* given, pairs of names of keypoints"):
            find_entry(make_cfg(x={**given, "flip_pairs": wrong}), "x")
    with pytest.raises(ConfigError, match="DATA.CATALOG.x: voc has no flip_pairs; coco have"):
        find_entry(make_cfg(x={"type": "voc", "path": "A", "flip_pairs": []}), "x")


@DATASETS.register("striped")
def build_striped(source: Source, *, stripes: int = 2, names: list[str] | None = None) -> Dataset:
    """Return one image whose class is the number of its stripes."""

    class Striped(Dataset):
        info = DatasetInfo(frozenset({"label"}), classes=names or ["few", "many"])

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> dict[str, Any]:
            return {"image": np.zeros((stripes, source.reading.window or 1, 3), np.uint8), "label": 0, "meta": {"id": 0}}

    return Striped()


def test_a_type_of_ones_own_takes_further_keys() -> None:
    given = {"type": "striped", "stripes": 5, "names": ["a", "b"], "window": 7}
    dataset = build_dataset(make_cfg(x=given), ["x"], ["label"])
    assert dataset[0]["image"].shape == (5, 7, 3)
    assert dataset.info.classes == ["a", "b"]
    assert build_dataset(make_cfg(x={"type": "striped"}), ["x"], ["label"])[0]["image"].shape == (2, 1, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"strips": 3}, r"DATA.CATALOG.x: data set striped: unknown argument 'strips'; did you mean stripes"),
        ({"stripes": "many"}, r"DATA.CATALOG.x: data set striped: stripes: 'many' given"),
        ({"window": "wide"}, r"DATA.CATALOG.x.window: 'wide' given"),
    ],
)
def test_keys_of_a_type_of_ones_own_are_checked_by_its_function(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_dataset(make_cfg(x={"type": "striped", **given}), ["x"], ["label"])


def test_an_entry_with_annotations() -> None:
    given = {"type": "coco", "path": "pets/images", "annotations": "pets/pets.json"}
    assert find_entry(make_cfg(pets=given), "pets") == CatalogEntry("coco", "pets/images", "train", "pets/pets.json")


def test_a_key_without_a_value_is_left_out() -> None:
    given = {"type": "voc", "path": "pets", "split": None, "annotations": None}
    assert find_entry(make_cfg(pets=given), "pets") == CatalogEntry("voc", "pets")


def test_a_type_that_there_is_not_is_reported_with_the_nearest() -> None:
    entry = find_entry(make_cfg(x={"type": "coc", "path": "pets"}), "x")
    with pytest.raises(ConfigError, match="unknown type of data set 'coc'; did you mean coco"):
        DATASETS.get(entry.type)


def test_addresses_that_nothing_can_be_read_from_are_refused() -> None:
    expected = r"a path, or an address such as s3://bucket/prefix, gs://... or az://... expected$"
    with pytest.raises(ConfigError, match=f"^DATA.CATALOG.x.path ftp://x: {expected}"):
        find_entry(make_cfg(x={"type": "shards", "path": "ftp://x"}), "x")
    with pytest.raises(ConfigError, match=r"^DATA.CATALOG.x.annotations s3://: the bucket is missing, s3://bucket/prefix expected$"):
        find_entry(make_cfg(x={"type": "coco", "path": "a", "annotations": "s3://"}), "x")
    with pytest.raises(ConfigError, match=f"^data set ftp://x/pack: {expected}"):
        find_entry(make_cfg(), "ftp://x/pack")
    assert find_entry(make_cfg(), "https://example.org/pack").type == "shards"
    assert find_entry(make_cfg(x={"type": "my_own", "path": "db://x"}), "x").path == "db://x"
