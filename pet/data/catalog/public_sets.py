"""Public data sets of aerial and satellite images: what is known of them. The files are the user's. Imports nothing slow.

Numbers and sample counts of AI Earth, at 512 x 512 pixels, are those of its table
https://github.com/aiearth-damo/deeplearning/blob/dc5ae43/aiearth/deeplearning/cloud/datasets/public_dataset_meta.py; where no layout of
the published files is known, the folders are named like those of the sample data in the same repository.
"""

from typing import NamedTuple

Colour = tuple[int, int, int]
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
MASK = (0, 255)


class PublicSet(NamedTuple):
    """A public data set.

    Attributes:
        name: what ``TRAIN.DATASETS`` calls it; in capitals AI Earth's name.
        task: ``landcover``, ``changedet`` or ``target_extraction``.
        classes: names of the classes in order.
        colours: colour (R, G, B) of each class.
        folder: the folder below ``MISC.DATA_ROOT``.
        images: folder of the images in it.
        labels: folder of the label images.
        homepage: where the files are to be had, or are described.
        sources: where layout, classes and colours were read.
        images2: folder of the images of the second date; empty: the samples are single images.
        label_ending: what names of label images have behind those of the images.
        label_values: number of each class in the label images; empty: 0, 1, 2, ...
        label_colours: colour and class of label images that are coloured; empty: they have numbers.
        dataset_id: AI Earth's number; None: the set is not there.
        samples: number of samples that AI Earth has, or where it has none that are published.
    """

    name: str
    task: str
    classes: tuple[str, ...]
    colours: tuple[Colour, ...]
    folder: str
    images: str
    labels: str
    homepage: str
    sources: tuple[str, ...]
    images2: str = ""
    label_ending: str = ""
    label_values: tuple[int, ...] = ()
    label_colours: tuple[tuple[Colour, int], ...] = ()
    dataset_id: int | None = None
    samples: int = 0


GID_CLASSES = (
    *("background", "industrial_land", "urban_residential", "rural_residential", "traffic_land", "paddy_field", "irrigated_land"),
    *("dry_cropland", "garden_land", "arbor_forest", "shrub_land", "natural_meadow", "artificial_meadow", "river", "lake", "pond"),
)
"""In the order of the numbers in the label images; the names are AI Earth's, whose example lists them in another order."""

GID_COLOURS = (
    *(BLACK, (200, 0, 0), (250, 0, 150), (200, 150, 150), (250, 150, 150), (0, 200, 0), (150, 250, 0), (150, 200, 150)),
    *((200, 0, 200), (150, 0, 250), (150, 150, 250), (250, 200, 0), (200, 200, 0), (0, 0, 200), (0, 150, 200), (0, 200, 250)),
)
LOVEDA_CLASSES = ("background", "building", "road", "water", "barren", "forest", "agricultural")
LOVEDA_COLOURS = (WHITE, (255, 0, 0), (255, 255, 0), (0, 0, 255), (159, 129, 183), (0, 255, 0), (255, 195, 128))
BUILDING = ("background", "building")
CHANGE = ("unchanged", "changed")

SECOND_COLOURS = ((0, 0, 255), (128, 128, 128), (0, 128, 0), (0, 255, 0), (128, 0, 0), (255, 0, 0))
"""Water, ground, low vegetation, tree, building and sports field at the first date, where something changed; elsewhere labels are white."""

WHU_HOMEPAGE = "https://study.rsgis.whu.edu.cn/pages/download/building_dataset.html"
TORCHGEO = "https://github.com/microsoft/torchgeo/blob/main/torchgeo/datasets"
AI_EARTH = "https://github.com/aiearth-damo/deeplearning"


def _gid(split: str, dataset_id: int, samples: int) -> PublicSet:
    return PublicSet(
        name=f"gid_15_{split}",
        task="landcover",
        classes=GID_CLASSES,
        colours=GID_COLOURS,
        folder="GID",
        images=f"img_dir/{split}",
        labels=f"ann_dir/{split}",
        label_ending="_15label",
        homepage="https://captain-whu.github.io/GID15/",
        sources=(f"{TORCHGEO}/gid15.py", "https://github.com/zhaopengzhan/NUDEM/blob/2f00e66/utils/cm/color_map_GID.py"),
        dataset_id=dataset_id,
        samples=samples,
    )


def _loveda(split: str, scene: str, dataset_id: int, samples: int) -> PublicSet:
    return PublicSet(
        name=f"loveda_{split}_{scene}_2021",
        task="landcover",
        classes=LOVEDA_CLASSES,
        colours=LOVEDA_COLOURS,
        folder="LoveDA",
        images=f"{split.capitalize()}/{scene.capitalize()}/images_png",
        labels=f"{split.capitalize()}/{scene.capitalize()}/masks_png",
        # 0 is a place without data
        label_values=tuple(range(1, len(LOVEDA_CLASSES) + 1)),
        homepage="https://github.com/Junjue-Wang/LoveDA",
        sources=(f"{TORCHGEO}/loveda.py", "https://github.com/open-mmlab/mmsegmentation/blob/168c883/mmseg/datasets/loveda.py"),
        dataset_id=dataset_id,
        samples=samples,
    )


def _levir(split: str, dataset_id: int | None, samples: int) -> PublicSet:
    return PublicSet(
        name=f"levir_cd_{split}",
        task="changedet",
        classes=CHANGE,
        colours=(BLACK, WHITE),
        folder="LEVIR-CD",
        images=f"{split}/A",
        images2=f"{split}/B",
        labels=f"{split}/label",
        label_values=MASK,
        homepage="https://justchenhao.github.io/LEVIR/",
        sources=(
            "https://github.com/justchenhao/STANet",
            f"{TORCHGEO}/levircd.py",
            "https://huggingface.co/datasets/kimongjin/Onboard_RSCD_data",
        ),
        dataset_id=dataset_id,
        samples=samples,
    )


def _whu_aerial(split: str, dataset_id: int, samples: int) -> PublicSet:
    return PublicSet(
        name=f"building_aerial_imagery_{split}",
        task="target_extraction",
        classes=BUILDING,
        colours=(BLACK, WHITE),
        folder="whu_building",
        images=f"{split}/image",
        labels=f"{split}/label",
        label_values=MASK,
        homepage=WHU_HOMEPAGE,
        sources=("https://github.com/opengeos/geoai/blob/3ce004f/scripts/train_whu_building.py",),
        dataset_id=dataset_id,
        samples=samples,
    )


def _whu_satellite(name: str, folder: str, dataset_id: int, samples: int) -> PublicSet:
    return PublicSet(
        name=name,
        task="target_extraction",
        classes=BUILDING,
        colours=(BLACK, WHITE),
        folder=folder,
        images="images",
        labels="annotations",
        label_values=MASK,
        homepage=WHU_HOMEPAGE,
        sources=(AI_EARTH,),
        dataset_id=dataset_id,
        samples=samples,
    )


WHU_CHANGE = PublicSet(
    name="building_change_detection_change",
    task="changedet",
    classes=CHANGE,
    colours=(BLACK, WHITE),
    folder="WHU-CD",
    images="A",
    images2="B",
    labels="label",
    label_values=MASK,
    homepage=WHU_HOMEPAGE,
    sources=(
        "https://github.com/Woojin0118/Building-change-detection-TinyCD",
        "https://github.com/ChenHongruixuan/ChangeDetectionRepository/blob/master/Dataset/BCD/README.md",
    ),
    dataset_id=700040,
    samples=1608,
)

SECOND = PublicSet(
    name="semantic_change_detection_second",
    task="changedet",
    classes=CHANGE,
    colours=(BLACK, WHITE),
    folder="SECOND",
    images="train/im1",
    images2="train/im2",
    labels="train/label1",
    label_colours=((WHITE, 0), *((colour, 1) for colour in SECOND_COLOURS)),
    homepage="http://www.captain-whu.com/project/SCD/",
    sources=("https://github.com/likyoo/open-cd/blob/3de2b63/opencd/datasets/second.py",),
    dataset_id=600039,
    samples=2968,
)

PUBLIC_SETS = {
    public.name: public
    for public in (
        _gid("train", 600054, 21000),
        _gid("val", 600053, 2100),
        _loveda("train", "urban", 600051, 1156),
        _loveda("train", "rural", 600052, 1366),
        _loveda("val", "urban", 700047, 677),
        _loveda("val", "rural", 600050, 992),
        _levir("train", 600042, 445),
        _levir("val", None, 64),
        _levir("test", None, 128),
        _whu_aerial("train", 600045, 4736),
        _whu_aerial("val", 600044, 1036),
        _whu_aerial("test", 600043, 2416),
        _whu_satellite("satellite_east_asia_train", "whu_satellite_east_asia/train", 700037, 3135),
        _whu_satellite("satellite_east_asia_test", "whu_satellite_east_asia/test", 700039, 904),
        _whu_satellite("satellite_dataset_global_cities", "whu_satellite_global_cities", 700015, 204),
        WHU_CHANGE,
        SECOND,
    )
}
"""Name -> what is known."""


def find_by_id(dataset_id: int | str) -> PublicSet | None:
    """Return the set that has a number at AI Earth; None: there is none."""
    return next((public for public in PUBLIC_SETS.values() if str(public.dataset_id) == str(dataset_id)), None)
