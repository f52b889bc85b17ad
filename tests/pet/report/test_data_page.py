import re
from pathlib import Path

import numpy as np
import pytest

from pet.data.report import as_text
from pet.data.report.remedies import REMEDIES
from pet.report import finding_pictures
from pet.report.data_page import data_sections, write_data_page
from pet.report.finding_pictures import draw_finding
from pet.visual.settings import DrawSettings
from tests.pet.report.made_data import faulty_data, made_report, picture, sample

SETTINGS = DrawSettings()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "check.html"
    write_data_page(path, *faulty_data(), SETTINGS, title="pets")
    return path.read_text(encoding="utf-8")


def test_the_numbers_are_those_of_the_text(page: str) -> None:
    report, _ = faulty_data()
    lines = as_text(report).splitlines()
    found = [line.split(": ", 1)[1] for line in lines if line.startswith(("ODD", "FAULT"))]
    assert len(found) == 7
    shown = [re.sub(r"<[^>]+>", "", heading) for heading in re.findall(r"<h3>.*?</h3>", page)]
    assert {heading for heading in shown if " x " in heading} == set(found)
    assert "a training would FAIL: 3 faults; 4 oddities" in lines[-1]
    assert "a training would FAIL: 3 faults; 4 oddities." in page
    assert 'data-value="3"' in page


def test_what_the_test_shares_comes_first_then_faults(page: str) -> None:
    order = [page.index(f'<section id="{name}"') for name in ("summary", "leaks", "faults", "oddities", "data-train-0", "data-test-0")]
    assert order == sorted(order)
    assert page.index("an image of the test data is nearly one of the training data") > order[0]


def test_each_finding_has_pictures_and_what_to_do(page: str) -> None:
    report, datasets = faulty_data()
    pictures = {finding.kind: draw_finding(finding, datasets, SETTINGS) for finding in report.all_findings}
    titles = {kind: [one["title"] for one in shown] for kind, shown in pictures.items()}
    assert titles["a box has no area"] == ["pets_train: a/1.jpg", "enlarged"]
    assert titles["an image of the test data is nearly one of the training data"] == ["pets_test: b/0.jpg", "pets_train: a/0.jpg"]
    assert titles["a file is in the training data and in the test data"] == ["pets_train: a/1.jpg", "pets_test: a/1.jpg"]
    assert titles["a sample cannot be read"] == []
    assert all(finding.kind in REMEDIES for finding in report.all_findings)
    assert "a/4.jpg: the image file is empty" in page


def test_names_from_files_are_text_and_no_scripts(page: str) -> None:
    assert "<b></script>" not in page
    assert "&lt;/script&gt;&lt;b&gt;" in page


def test_a_page_stays_below_five_megabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    train = [sample(noise, f"{number}.jpg", labels=(9,)) for number in range(40)]
    monkeypatch.setattr(finding_pictures, "MOST_TEXT", 200_000)
    report, datasets = made_report(train, [])
    (faults,) = next(section for section in data_sections(report, datasets, SETTINGS) if section.id == "faults").blocks
    assert faults["title"] == "40 x a label lies outside of the classes"
    assert faults["note"] == "and 28 more, see report.json"
    with_pictures = [one for one in faults["samples"] if one["pictures"]]
    assert 0 < len(with_pictures) < len(faults["samples"]) == 12
    write_data_page(tmp_path / "check.html", report, datasets, SETTINGS, title="pets")
    assert (tmp_path / "check.html").stat().st_size < 1_000_000


def test_good_data_have_a_page_without_findings(tmp_path: Path) -> None:
    report, datasets = made_report([sample(picture(number), f"{number}.jpg") for number in range(3)], [])
    assert [section.id for section in data_sections(report, datasets, SETTINGS)] == ["summary", "data-train-0"]


def test_sizes_are_whole_pixels() -> None:
    images = [np.zeros((height, 64, 3), np.uint8) for height in (30, 40, 45)]
    report, datasets = made_report([sample(image, f"{number}.jpg") for number, image in enumerate(images)], [])
    blocks = [block for section in data_sections(report, datasets, SETTINGS) for block in section.blocks]
    (sizes,) = [block for block in blocks if block.get("title") == "Sizes in pixels"]
    rows = {name: values for name, *values in sizes["rows"]}
    assert rows["height"] == [30, 31, 35, 40, 42, 44, 45]
    assert all(isinstance(value, int) for value in (*rows["width"], *rows["height"], *rows["object edge"]))
    assert rows["width / height"][0] == pytest.approx(64 / 45, abs=1e-3)
