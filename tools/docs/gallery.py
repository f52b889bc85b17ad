"""The gallery: pictures that Pet draws of data that it makes itself, each with the command that made it.

python tools/docs/gallery.py FOLDER [NAME ...]

runs the commands in a folder, where data and runs stay, and writes small copies into docs/pictures/gallery; names choose some of them.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures" / "gallery"
EDGE, QUALITY = 1100, 72
ABREAST, GAP = 3, 12
"""Pictures of a pattern that are next to each other, and pixels between them."""
HEAD = """# Gallery

Pictures that Pet made, of data that it draws itself, so that each command works anywhere without a download.
`python tools/docs/gallery.py FOLDER` runs them all.
"""


@dataclass(frozen=True)
class Picture:
    """A picture of the gallery.

    Args:
        name: of the file, without suffix.
        title: the heading above it.
        text: what is to be seen.
        commands: command lines, one below the other, that make it.
        file: what they write, below the folder they run in; of a pattern, the first pictures next to each other.
    """

    name: str
    title: str
    text: str
    commands: tuple[str, ...]
    file: str


def _browse(name: str, title: str, text: str, config: str, options: str) -> Picture:
    file = f"{name}.png"
    return Picture(name, title, text, (f"python tools/data/browse.py --cfg {config} {options} --out {file}",), file)


TRAINED = ("python tools/train_net_all.py --cfg cfgs/vision/digits/resnet20_digits.yaml",)
DETECTOR = "--cfg cfgs/vision/shapes/faster_rcnn_R-18-FPN.yaml"
GALLERY = (
    Picture(
        "digits_curves",
        "Curves of a training",
        "Loss, accuracy and learning rate of the default example: `curves.png` in the folder of every run. `report.html` has more of them.",
        TRAINED,
        "ckpts/vision/digits/resnet20_digits/curves.png",
    ),
    Picture(
        "digits_confusion",
        "What is taken for what",
        "The confusion matrix of its test.",
        (*TRAINED, "python tools/test_net_all.py --cfg cfgs/vision/digits/resnet20_digits.yaml"),
        "ckpts/vision/digits/resnet20_digits/test/confusion_matrix.png",
    ),
    _browse(
        "boxes_and_masks",
        "Boxes and masks",
        "Samples as the network gets them: an image, and two views of it that the transforms of a training make.",
        "cfgs/vision/shapes/mask_rcnn_R-18-FPN.yaml",
        "--count 3 --views 2",
    ),
    Picture(
        "found",
        "What a trained detector finds",
        "Objects in images that it has not seen, after 900 iterations from random weights: most are right, some have a second box of lower "
        "score.",
        (
            f"python tools/train_net_all.py {DETECTOR}",
            f"python tools/inference.py {DETECTOR} --images 'data/shapes/test/images/00000*' --out found",
        ),
        "found/*.jpg",
    ),
    _browse(
        "keypoints",
        "Keypoints",
        "Little figures with their joints; left and right change places when an image is mirrored.",
        "cfgs/vision/shapes/keypoint_rcnn_R-18-FPN.yaml",
        "--count 3 --views 2",
    ),
    _browse(
        "label_maps",
        "A class for every pixel",
        "Label maps over their images.",
        "cfgs/vision/shapes/semseg_R-18.yaml",
        "--count 3 --views 2",
    ),
    _browse(
        "parts",
        "Parts of people",
        "Human parsing: the parts of each figure.",
        "cfgs/vision/shapes/parsing_rcnn_R-18-FPN.yaml",
        "--count 3 --views 2",
    ),
    _browse(
        "confetti",
        "Small objects in large images",
        "Windows in the large images of `confetti`, around objects and of the background alone (`TRAIN.SLIDING`).",
        "cfgs/vision/confetti/faster_rcnn_R-18-FPN.yaml",
        "--count 3 --views 3",
    ),
    _browse(
        "single_objects",
        "One object at a time",
        "Crops around single objects with keypoints, masks and parts together.",
        "cfgs/tasks/instance/shapes/all_R-18.yaml",
        "--count 3 --views 3",
    ),
    _browse(
        "surfaces",
        "Places on a surface",
        "Dense poses of `mannequins`: boxes, and U and V of the pixels that are known.",
        "cfgs/projects/densepose/mannequins_R-18-FPN.yaml",
        "--count 3 --views 2",
    ),
    _browse(
        "dots",
        "Dots to count",
        "A dot for each head of a crowd.",
        "cfgs/projects/crowdcounting/crowds/crowds_dots_resnet10.yaml",
        "--count 3 --views 2",
    ),
    _browse(
        "walkers",
        "Objects that are followed",
        "Boxes of `walkers` with the numbers of who they are.",
        "cfgs/projects/fairmot/walkers/fairmot_R-18.yaml",
        "--count 2 --views 2",
    ),
    _browse(
        "streets3d",
        "Boxes in space",
        "Points of a LiDAR in drawn streets, from above, with the boxes of cars, pedestrians and cyclists.",
        "cfgs/tasks/tddet/streets3d/pointpillars.yaml",
        "--count 2 --views 1",
    ),
    _browse(
        "motions",
        "Actions in videos",
        "Frames of clips; the class is how the shape moves.",
        "cfgs/tasks/action/motions/tsm_test_resnet.yaml",
        "--count 2 --views 2",
    ),
    _browse(
        "facets", "Faces", "Drawn faces of several identities, aligned.", "cfgs/tasks/face/facets_iresnet18.yaml", "--count 4 --views 3"
    ),
    _browse(
        "contrast",
        "Two views of an image",
        "What learning without labels compares.",
        "cfgs/tasks/contrast/digits/simclr_resnet20.yaml",
        "--count 4 --views 2",
    ),
)


def gallery_page() -> str:
    """Return the page."""
    return HEAD + "".join(_entry(picture) for picture in GALLERY)


def _entry(picture: Picture) -> str:
    lines = "\n".join(f"    {line}" for line in picture.commands)
    return f"\n## {picture.title}\n\n{picture.text}\n\n![{picture.title}](pictures/gallery/{picture.name}.webp)\n\n{lines}\n"


def missing_pictures() -> Iterator[str]:
    """Give the names of the pictures that the page shows and the repository lacks."""
    return (picture.name for picture in GALLERY if not (PICTURES / f"{picture.name}.webp").is_file())


def _next_to_each_other(paths: Sequence[Path]) -> Image.Image:
    """Return pictures of one size in a row."""
    images = [Image.open(path).convert("RGB") for path in paths]
    width, height = images[0].size
    row = Image.new("RGB", (len(images) * (width + GAP) - GAP, height), "white")
    for place, image in enumerate(images):
        row.paste(image, (place * (width + GAP), 0))
    return row


def make(picture: Picture, folder: Path) -> None:
    """Run the commands of a picture in a folder and keep a small copy of what they drew."""
    for line in picture.commands:
        words = shlex.split(line)
        config = words[words.index("--cfg") + 1]
        if "train_net_all" not in line or not (folder / "ckpts" / config.removeprefix("cfgs/").removesuffix(".yaml")).exists():
            subprocess.run([sys.executable, *words[1:]], cwd=folder, check=True)
    small = _next_to_each_other(sorted(folder.glob(picture.file))[:ABREAST])
    small.thumbnail((EDGE, EDGE), Image.Resampling.LANCZOS)
    PICTURES.mkdir(parents=True, exist_ok=True)
    small.save(PICTURES / f"{picture.name}.webp", quality=QUALITY, method=6)


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where data and runs are written")
    parser.add_argument("names", nargs="*", help="pictures, all if none is given")
    arguments = parser.parse_args()
    for name in ("cfgs", "tools"):
        shutil.copytree(ROOT / name, arguments.folder / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for picture in GALLERY:
        if not arguments.names or picture.name in arguments.names:
            make(picture, arguments.folder)


if __name__ == "__main__":
    main()
