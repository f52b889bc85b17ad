"""Lists of identities and aligned faces, by the commands."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pet.data.alignment import TEMPLATE
from pet.data.datasets.facets import draw_image
from pet.data.datasets.verification import ListedPairs
from tests.integration.conftest import Run


@pytest.fixture
def people(tmp_path: Path) -> Path:
    for identity in range(4):
        (tmp_path / "faces" / f"s{identity}").mkdir(parents=True)
        for number in range(3):
            cv2.imwrite(str(tmp_path / "faces" / f"s{identity}" / f"{number}.png"), draw_image(identity, number))
    return tmp_path / "faces"


def test_folders_become_lists(people: Path, run: Run) -> None:
    done = run("data/identity_pairs.py", people, "--unseen", "2").succeeded()
    assert f"{people / 'train.txt'}: 6 images of 2 identities" in done.output
    pairs = ListedPairs(path=people / "pairs.txt", root=people)
    assert pairs.pairs.same.tolist() == [True, False] * 6
    done = run("data/identity_pairs.py", people, "--unseen", "3")
    assert done.code == 2
    assert "--unseen: 3 given, of 4 identities at least 2 have to be on each side" in done.output


def test_faces_are_aligned(people: Path, run: Run, tmp_path: Path) -> None:
    points = " ".join(f"{value:.2f}" for value in (TEMPLATE / 2 - 0.5).reshape(-1))
    (tmp_path / "points.txt").write_text(f"s0/0.png {points} 0.99\ns1/2.png {points}\n")
    options = ["--images", people, "--points", tmp_path / "points.txt", "--out", tmp_path / "aligned"]
    done = run("data/align_faces.py", *options).succeeded()
    assert done.results[-1].startswith("2 faces of 112 x 112 pixels")
    face = cv2.imread(str(tmp_path / "aligned" / "s0" / "0.png"))
    expected = cv2.resize(cv2.imread(str(people / "s0" / "0.png")), (128, 128))[:112, :112]
    assert np.abs(face[:100, :100].astype(int) - expected[:100, :100]).mean() < 4
    (tmp_path / "points.txt").write_text("s0/0.png 1 2 3\n")
    done = run("data/align_faces.py", *options)
    assert done.code == 2
    assert "points.txt:1: 's0/0.png 1 2 3' given, an image and 10 numbers expected" in done.output
