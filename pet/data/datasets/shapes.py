"""The data set ``shapes``: drawn, not downloaded, and written as files in COCO format when it is first used."""

from pet.data.catalog.source import Source, check_split
from pet.data.datasets.coco import CocoDataset, build_coco
from pet.data.datasets.drawn_set import DrawnSet
from pet.data.datasets.shapes_writing import ANNOTATIONS, GENERATOR, IMAGES, VERSION, write_shapes

COUNTS = {"train": 1000, "test": 200}


def build_shapes(source: Source) -> CocoDataset:
    """Return a split of ``shapes``, 128x128 pixels: 1,000 images for training and 200 for testing, written first where absent.

    Circles, squares, triangles and little figures, 1 to 5 an image and partly over each other, before cluttered
    backgrounds; with boxes, masks, semantic labels, and 5 keypoints and 6 body parts of the figures. The first process
    of each machine writes, the others wait; every process has to call this.

    Raises:
        ConfigError: there is no such split.
        DataError: the folder cannot be written, or holds something else.
    """
    check_split("shapes", source.split)
    split = source.split
    drawn = DrawnSet("shapes", GENERATOR, VERSION, COUNTS[split], lambda: write_shapes(source.path, split=split, count=COUNTS[split]))
    annotations = drawn.write_where_absent(source.path / split, ANNOTATIONS)
    return build_coco(source._replace(path=annotations.parent / IMAGES, annotations=annotations))
