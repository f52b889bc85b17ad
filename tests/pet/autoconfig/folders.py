"""Small folders of data in every format, with bright squares and discs on dark noise."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import yaml

CLASSES = ("disc", "square")
SIZE = 64


def picture(rng: np.random.Generator, label: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int, int]]:
    """Return an image, a mask of its object, and the object's box x, y, width, height."""
    image = rng.integers(0, 90, (SIZE, SIZE, 3)).astype(np.uint8)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    radius = int(rng.integers(8, 14))
    x, y = (int(value) for value in rng.integers(radius + 1, SIZE - radius - 1, 2))
    if label == 0:
        cv2.circle(mask, (x, y), radius, 1, -1)
    else:
        cv2.rectangle(mask, (x - radius, y - radius), (x + radius, y + radius), 1, -1)
    image[mask > 0] = (200, 220, 60) if label else (60, 120, 240)
    return image, mask, (x - radius, y - radius, 2 * radius + 1, 2 * radius + 1)


def pictures(count: int, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray, tuple[int, int, int, int], int]]:
    """Return images with masks, boxes and labels, these in turn."""
    rng = np.random.default_rng(seed)
    return [(*picture(rng, place % 2), place % 2) for place in range(count)]


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def class_folders(folder: Path, count: int = 20) -> None:
    for place, (image, _, _, label) in enumerate(pictures(count)):
        write(folder / CLASSES[label] / f"{place:03}.jpg", image)


def coco(
    folder: Path, count: int = 20, *, outlines: bool = True, keypoints: bool = False, file: str = "annotations.json", images: str = "images"
) -> None:
    rows, annotations = [], []
    categories = [{"id": number + 1, "name": name} for number, name in enumerate(CLASSES)]
    for place, (image, mask, box, label) in enumerate(pictures(count)):
        write(folder / images / f"{place:03}.jpg", image)
        rows.append({"id": place, "file_name": f"{place:03}.jpg", "width": SIZE, "height": SIZE})
        row = {"id": place, "image_id": place, "category_id": label + 1, "bbox": box, "area": int(mask.sum()), "iscrowd": 0}
        if outlines:
            found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            row["segmentation"] = [found[0].ravel().tolist()]
        if keypoints:
            row["keypoints"] = [box[0], box[1], 2, box[0] + box[2], box[1] + box[3], 2]
        annotations.append(row)
    if keypoints:
        categories = [{**row, "keypoints": ["upper_left", "lower_right"], "skeleton": []} for row in categories]
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(json.dumps({"images": rows, "annotations": annotations, "categories": categories}))


def roboflow_coco(folder: Path) -> None:
    for part, count in (("train", 16), ("valid", 6)):
        coco(folder, count, outlines=False, file=f"{part}/_annotations.coco.json", images=part)


def voc(folder: Path, count: int = 20) -> None:
    for place, (image, _, (x, y, width, height), label) in enumerate(pictures(count)):
        write(folder / "JPEGImages" / f"{place:03}.jpg", image)
        box = f"<bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + width}</xmax><ymax>{y + height}</ymax></bndbox>"
        size = f"<size><width>{SIZE}</width><height>{SIZE}</height><depth>3</depth></size>"
        text = f"<annotation><filename>{place:03}.jpg</filename>{size}<object><name>{CLASSES[label]}</name>{box}</object></annotation>"
        path = folder / "Annotations" / f"{place:03}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def roboflow_voc(folder: Path) -> None:
    for part, count in (("train", 16), ("valid", 6)):
        voc(folder / part, count)
        for path in [*(folder / part).glob("*/*")]:
            path.rename(folder / part / path.name)
        for name in ("JPEGImages", "Annotations"):
            (folder / part / name).rmdir()


def yolo(
    folder: Path, *, outlines: bool = False, keypoints: bool = False, parts: Sequence[tuple[str, int]] = (("train", 16), ("val", 6))
) -> None:
    for part, count in parts:
        for place, (image, _, (x, y, width, height), label) in enumerate(pictures(count)):
            write(folder / "images" / part / f"{place:03}.jpg", image)
            middle = [x + width / 2, y + height / 2]
            numbers = [*middle, width, height]
            if outlines:
                numbers = [middle[0], y, x + width, middle[1], middle[0], y + height, x, middle[1]]
            shares = [number / SIZE for number in numbers]
            if keypoints:
                shares += [x / SIZE, y / SIZE, 2, (x + width) / SIZE, (y + height) / SIZE, 2]
            path = folder / "labels" / part / f"{place:03}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{label} {' '.join(map(str, shares))}\n")
    content: dict[str, object] = {"path": ".", **{part: f"images/{part}" for part, _ in parts}, "names": list(CLASSES)}
    if keypoints:
        content["kpt_shape"] = [2, 3]
    (folder / "data.yaml").write_text(yaml.safe_dump(content))


def roboflow_yolo(folder: Path) -> None:
    yolo(folder, parts=(("train", 16), ("valid", 6)))
    for part in ("train", "valid"):
        for kind in ("images", "labels"):
            (folder / part).mkdir(exist_ok=True)
            (folder / kind / part).rename(folder / part / kind)
    for kind in ("images", "labels"):
        (folder / kind).rmdir()
    content = {"train": "../train/images", "val": "../valid/images", "test": "../test/images", "nc": 2, "names": list(CLASSES)}
    (folder / "data.yaml").write_text(yaml.safe_dump(content))


def label_images(folder: Path, count: int = 20, *, images: str = "images", labels: str = "masks", ending: str = "", white: int = 1) -> None:
    for place, (image, mask, _, label) in enumerate(pictures(count)):
        write(folder / images / f"{place:03}.jpg", image)
        write(folder / labels / f"{place:03}{ending}.png", mask * white * (label + 1 if white == 1 else 1))


def label_images_in_one_folder(folder: Path) -> None:
    for part, count in (("train", 16), ("valid", 6)):
        label_images(folder / part, count, images=".", labels=".", ending="_mask")
        (folder / part / "_classes.csv").write_text("Pixel Value, Class\n0, nothing\n1, disc\n2, square\n")


def pairs(folder: Path, count: int = 20) -> None:
    for place, (image, mask, _, _) in enumerate(pictures(count)):
        write(folder / "A" / f"{place:03}.png", np.where(mask[..., None] > 0, 40, image).astype(np.uint8))
        write(folder / "B" / f"{place:03}.png", image)
        write(folder / "label" / f"{place:03}.png", mask * 255)


def outline(mask: np.ndarray) -> list[list[float]]:
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [[float(x), float(y)] for x, y in found[0][:, 0]]


def labelme(folder: Path, count: int = 20) -> None:
    for place, (image, mask, (x, y, width, height), label) in enumerate(pictures(count)):
        write(folder / f"{place:03}.jpg", image)
        square = {"label": CLASSES[label], "shape_type": "rectangle", "points": [[x + width, y + height], [x, y]]}
        disc = {"label": CLASSES[label], "shape_type": "polygon", "points": outline(mask)}
        content = {
            "version": "5",
            "imagePath": f"{place:03}.jpg",
            "imageHeight": SIZE,
            "imageWidth": SIZE,
            "shapes": [square if label else disc],
        }
        (folder / f"{place:03}.json").write_text(json.dumps(content))


def label_studio(folder: Path, count: int = 20) -> None:
    tasks = []
    for place, (image, mask, (x, y, width, height), label) in enumerate(pictures(count)):
        write(folder / "images" / f"{place:03}.jpg", image)
        share = 100 / SIZE
        box = {"x": x * share, "y": y * share, "width": width * share, "height": height * share, "rotation": 0}
        square = {"type": "rectanglelabels", "value": {**box, "rectanglelabels": [CLASSES[label]]}}
        points = [[value * share for value in point] for point in outline(mask)]
        disc = {"type": "polygonlabels", "value": {"points": points, "polygonlabels": [CLASSES[label]]}}
        done = {"was_cancelled": False, "result": [square if label else disc]}
        cancelled = {"was_cancelled": True, "result": [square]}
        tasks.append({"id": place, "data": {"image": f"/data/upload/1/0a1b2c3d-{place:03}.jpg"}, "annotations": [cancelled, done]})
    (folder / "export.json").write_text(json.dumps(tasks))


def cvat(folder: Path, count: int = 20) -> None:
    rows = []
    for place, (image, mask, (x, y, width, height), label) in enumerate(pictures(count)):
        write(folder / "images" / f"{place:03}.jpg", image)
        square = f'<box label="{CLASSES[label]}" xtl="{x}" ytl="{y}" xbr="{x + width}" ybr="{y + height}"/>'
        disc = f'<polygon label="{CLASSES[label]}" points="{";".join(f"{x},{y}" for x, y in outline(mask))}"/>'
        subset = "Validation" if place >= count * 3 // 4 else "Train"
        head = f'<image id="{place}" name="{place:03}.jpg" subset="{subset}" width="{SIZE}" height="{SIZE}">'
        rows.append(f"{head}{square if label else disc}</image>")
    (folder / "annotations.xml").write_text(f"<annotations><version>1.1</version>{''.join(rows)}</annotations>")


MAKERS: dict[str, Callable[[Path], None]] = {
    "classes": class_folders,
    "coco_masks": coco,
    "coco_boxes": lambda folder: coco(folder, outlines=False),
    "coco_keypoints": lambda folder: coco(folder, keypoints=True),
    "roboflow_coco": roboflow_coco,
    "voc": voc,
    "roboflow_voc": roboflow_voc,
    "yolo": yolo,
    "yolo_masks": lambda folder: yolo(folder, outlines=True),
    "yolo_keypoints": lambda folder: yolo(folder, keypoints=True),
    "roboflow_yolo": roboflow_yolo,
    "label_images": label_images,
    "label_images_in_one_folder": label_images_in_one_folder,
    "pairs": pairs,
    "labelme": labelme,
    "label_studio": label_studio,
    "cvat": cvat,
}
