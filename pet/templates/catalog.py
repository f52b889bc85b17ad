"""The templates of ``pet-new``: which files each is made of, and what replaces its placeholders."""

from pathlib import Path
from typing import NamedTuple

FILES = Path(__file__).parent / "files"
SUFFIX = ".template"
DOT = "dot_"
FLIP = 'dict(type="RandomFlipImage"), '


class Template(NamedTuple):
    """One kind of project.

    Args:
        title: what the network does, for a list of all templates.
        parts: folders below ``files`` that the project is made of.
        values: placeholder -> what replaces it.
    """

    title: str
    parts: tuple[str, ...]
    values: dict[str, str]

    def sources(self) -> dict[Path, Path]:
        """Return path in the project -> file with placeholders, sorted by path."""
        found = {path.relative_to(FILES / part): path for part in self.parts for path in (FILES / part).rglob(f"*{SUFFIX}")}
        return dict(sorted((_target(name), path) for name, path in found.items()))


def _target(name: Path) -> Path:
    # files that begin with a dot are left out of wheels
    bare = name.name.removesuffix(SUFFIX)
    return name.with_name(f".{bare.removeprefix(DOT)}" if bare.startswith(DOT) else bare)


def _antgo(name: str, title: str, *, shapes: bool = True, augmentation: str = FLIP, **values: str) -> Template:
    """Return a template on the antgo layer; ``values`` are model, data_set, fields, metric, save_best, outputs and result."""
    parts = ("project", *(("shapes",) if shapes else ()), "antgo", name)
    return Template(title, parts, {"title": title, "augmentation": augmentation, **values})


TEMPLATES = {
    "segmentation": _antgo(
        "segmentation",
        "a class for every pixel",
        model='dict(type="Segmenter", backbone=dict(type="Backbone", channels=32), class_num=5)',
        data_set="ShapeSegments",
        fields='["image", "segments"]',
        metric='dict(type="SegMIOU", class_num=5)',
        save_best="miou",
        outputs='["logits"]',
        result="`logits` (B, 5, H, W), a score of each class for every pixel",
    ),
    "detection": _antgo(
        "detection",
        "boxes around objects, with their classes",
        model='dict(type="CentreDetector", backbone=dict(type="Backbone", channels=32), class_num=4)',
        data_set="ShapeBoxes",
        fields='["image", "bboxes", "labels"]',
        metric='dict(type="COCOBoxAP", class_num=4)',
        save_best="AP",
        outputs='["scores", "boxes"]',
        result=(
            "`scores` (B, 4, H / 4, W / 4) of the four classes, greater than those around it where an object has its centre,\n"
            "  and `boxes` (B, 4, H / 4, W / 4), left, top, right and bottom in pixels for each of these places"
        ),
    ),
    "classification": _antgo(
        "classification",
        "one class for an image",
        model='dict(type="Classifier", backbone=dict(type="Backbone", channels=32), class_num=4)',
        data_set="ShapeClasses",
        fields='["image", "label"]',
        metric='dict(type="TopKAccuracy", topk=[1, 2])',
        save_best="top1",
        outputs='["logits"]',
        result="`logits` (B, 4), a score of each class",
    ),
    "keypoints": _antgo(
        "keypoints",
        "the joints of an object",
        shapes=False,
        augmentation="",
        model='dict(type="JointFinder", backbone=dict(type="Backbone", channels=32), joint_num=3)',
        data_set="Arms",
        fields='["image", "joints2d"]',
        metric='dict(type="OKSKeypointAP", joint_num=3)',
        save_best="AP",
        outputs='["joints"]',
        result="`joints` (B, 3, 3): x and y in pixels and a score of each joint",
    ),
    "gan": Template("images made of noise: two networks, two optimizers", ("project", "shapes", "gan"), {}),
}
