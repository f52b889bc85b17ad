"""IJB-C's files: what is read of them, what mistakes in them say, and the figures of its protocols on embeddings by hand."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pet.data.alignment import TEMPLATE
from pet.data.datasets.face_templates import FaceTemplates
from pet.data.datasets.facets import draw_image
from pet.evaluation.verification import TemplateEvaluator
from petlib.errors import DataError

POINTS = " ".join(f"{value:.4f}" for value in (TEMPLATE / 2 - 0.5).reshape(-1))
FILES = {
    # templates 1 to 4; two images of 1 are frames of the medium 7
    "face_tid_mid.txt": "1.png 1 7\n2.png 1 7\n3.png 1 8\n4.png 2 9\n5.png 3 10\n6.png 4 11\n",
    "template_pair_label.txt": "1 2 1\n1 3 0\n2 3 0\n1 4 0\n",
    "name_5pts_score.txt": "".join(f"{number}.png {POINTS} {score}\n" for number, score in enumerate((1.0, 0.5, 1, 1, 1, 1), start=1)),
    "1N_gallery_G1.csv": "TEMPLATE_ID,SUBJECT_ID,FILENAME\n1,100,a\n1,100,b\n",
    "1N_gallery_G2.csv": "TEMPLATE_ID,SUBJECT_ID\n3,300\n",
    "1N_probe_mixed.csv": "TEMPLATE_ID,SUBJECT_ID\n2,100\n4,300\n",
}
EMBEDDINGS = torch.tensor([[2.0, 0], [0, 4], [1, 0], [3, 0], [0, 5], [1, 1]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("loose_crop", "meta"):
        (tmp_path / name).mkdir()
    for number in range(1, 7):
        cv2.imwrite(str(tmp_path / "loose_crop" / f"{number}.png"), draw_image(number, 0)[..., ::-1])
    for name, text in FILES.items():
        (tmp_path / "meta" / f"ijbc_{name}").write_text(text)
    return tmp_path


def test_images_are_aligned_and_templates_known(folder: Path) -> None:
    data = FaceTemplates(path=folder)
    assert (len(data), data.templates.tolist(), data.media.tolist()) == (6, [1, 1, 1, 2, 3, 4], [7, 7, 8, 9, 10, 11])
    assert data.scores.tolist() == [1, 0.5, 1, 1, 1, 1]
    assert (data.pairs.templates.tolist(), data.pairs.same.tolist()) == ([[1, 2], [1, 3], [2, 3], [1, 4]], [True, False, False, False])
    assert {name: gallery.templates.tolist() for name, gallery in data.galleries.items()} == {"G1": [1], "G2": [3]}
    # points of half the size: the picture of 64 pixels becomes one of 128, cut at 112
    expected = cv2.resize(draw_image(1, 0), (128, 128))[:112, :112]
    assert np.abs(data[0]["image"][:100, :100].astype(int) - expected[:100, :100]).mean() < 4
    for name in ("name_5pts_score.txt", "1N_gallery_G1.csv", "1N_gallery_G2.csv", "1N_probe_mixed.csv"):
        (folder / "meta" / f"ijbc_{name}").unlink()
    plain = FaceTemplates(path=folder)
    assert np.array_equal(plain[0]["image"], draw_image(1, 0))
    assert (plain.scores.tolist(), plain.galleries, plain.probes) == ([1] * 6, {}, None)


def test_the_protocols_on_embeddings_by_hand(folder: Path, tmp_path: Path) -> None:
    evaluator = TemplateEvaluator(
        name="ijbc", templates=FaceTemplates(path=folder), false_accepts=[1e-4, 0.5], false_positives=[0.1], keep_predictions=True
    )
    for places in ([0, 1, 2, 3], [4, 5]):
        evaluator.update({"meta": [{"index": place} for place in places]}, [{"embedding": EMBEDDINGS[place]} for place in places])
    metrics = evaluator.compute()
    # 1: the mean of (2, 0) and half of (0, 4) is (1, 1), and (1, 0) is added: (2, 1); 2: (1, 0); 3: (0, 1); 4: (1, 1)
    evaluator.write(tmp_path)
    with np.load(tmp_path / "ijbc_templates.npz") as content:
        assert content["templates"].tolist() == [1, 2, 3, 4]
        np.testing.assert_allclose(content["embeddings"], [[0.894427, 0.447214], [1, 0], [0, 1], [0.707107, 0.707107]], atol=1e-6)
    # cosines .894 (same), .447, 0 and .949: one false pair is more similar than the true one
    assert metrics["ijbc/tar@far=0.0001"] == 0
    assert metrics["ijbc/tar@far=0.5"] == 1
    # G1: the stranger, template 4, has .949, the person only .894: not found; G2: the person has .707, the stranger, template 2, has 0
    assert (metrics["ijbc/rank1"], metrics["ijbc/rank5"], metrics["ijbc/tpir@fpir=0.1"]) == (1, 1, 0.5)
    assert evaluator.summary() == "ijbc: tar@far=0.0001: 0.00% | rank1: 100.00% | tpir@fpir=0.1: 50.00%"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("face_tid_mid.txt", "1.png 1\n", r"ijbc_face_tid_mid\.txt:1: '1\.png 1' given, an image and the numbers of its template"),
        ("face_tid_mid.txt", "", "there are no images in it"),
        ("template_pair_label.txt", "1 2 1\n1 2\n", "lines of two templates and 1 .* expected: .*column"),
        ("template_pair_label.txt", "1 2 5\n", "1 line of 3 numbers; lines of two templates"),
        ("template_pair_label.txt", "", "0 lines of 3 numbers"),
        ("template_pair_label.txt", "1 99 1\n", "the template 99 has no image in the list of images"),
        ("name_5pts_score.txt", "1.png 3 4\n", r"ijbc_name_5pts_score\.txt:1: '1\.png 3 4' given, an image, x and y of five points"),
        ("name_5pts_score.txt", f"1.png {POINTS} 1\n", r"it has no points of 2\.png"),
        ("1N_gallery_G1.csv", "A,B\n1,2\n", "the columns TEMPLATE_ID and SUBJECT_ID expected; there are A, B"),
        ("1N_gallery_G1.csv", "TEMPLATE_ID,SUBJECT_ID\n1,x\n", r"G1\.csv:2: whole numbers expected"),
        ("1N_probe_mixed.csv", "TEMPLATE_ID,SUBJECT_ID\n", "there are no templates in it"),
    ],
)
def test_mistakes_in_the_files_are_reported(folder: Path, name: str, text: str, message: str) -> None:
    (folder / "meta" / f"ijbc_{name}").write_text(text)
    with pytest.raises(DataError, match=message):
        FaceTemplates(path=folder)


def test_a_folder_of_something_else_is_reported(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"one file \*_face_tid_mid\.txt expected as in IJB-B and IJB-C, e\.g\. ijbc_face_tid_mid\.txt; there is none"
    ):
        FaceTemplates(path=tmp_path)
