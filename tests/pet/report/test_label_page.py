from pathlib import Path

import numpy as np
import pytest

from pet.data.report.examination import UNREADABLE
from pet.data.targets.label_doubts import NO_LABEL, Doubt
from pet.data.targets.observation import Evidence, Finding, SamplePlace
from pet.report.label_page import draw_found, write_choice_page, write_doubts_page
from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings
from petlib.errors import DataError, OutputError
from tests.pet.report.made_data import Given, picture, sample

NAMES = TargetNames(classes=("cat",))
FOUND = {"boxes": np.array([[100, 40, 120, 60]], np.float32), "labels": np.array([0]), "scores": np.array([0.9], np.float32)}


def test_doubts_are_shown_with_the_prediction_the_greatest_first(tmp_path: Path) -> None:
    places = [SamplePlace("pets", number) for number in range(3)]
    samples = [sample(picture(0), "a.jpg"), sample(picture(1), "<b>.jpg"), DataError("cut off")]
    evidence = Evidence(box=(100.0, 40.0, 120.0, 60.0))
    doubts = [
        Doubt(0.9, Finding(NO_LABEL, "<b>.jpg", "cat (90%)", False, evidence, (places[1],))),
        Doubt(0.5, Finding(NO_LABEL, "a.jpg", "cat (50%)", False, evidence, (places[0],))),
        Doubt(0.4, Finding(UNREADABLE, "c.jpg", "cut off", False, samples=(places[2],))),
    ]
    write_doubts_page(
        tmp_path / "doubts.html",
        doubts,
        compared=17,
        doubted_share=0.5,
        shown=2,
        dataset={"pets": Given(samples)},
        predicted={places[1]: draw_found(picture(1), FOUND, NAMES, DrawSettings())},
        settings=DrawSettings(),
        title="run",
    )
    page = (tmp_path / "doubts.html").read_text(encoding="utf-8")
    assert page.index("1. &lt;b&gt;.jpg") < page.index("2. a.jpg")
    assert "and 1 more, see doubts.json" in page
    assert 'data-value="17"' in page
    assert "not good enough" not in page
    # the sample with its mark, enlarged, and the prediction; of the other one it is not known
    assert [page.count(f"<span>{title}</span>") for title in ("enlarged", "prediction")] == [2, 1]


def test_a_model_that_doubts_most_labels_is_called_unfit(tmp_path: Path) -> None:
    path = tmp_path / "doubts.html"
    write_doubts_page(path, [], compared=9, doubted_share=0.9, shown=2, dataset={}, predicted={}, settings=DrawSettings(), title="run")
    page = path.read_text(encoding="utf-8")
    assert page.index("The model is not good enough to judge") < page.index("It contradicts 90% of the labels.")


def test_a_page_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "to_label.html"
    with pytest.raises(OutputError, match=f"^{path}: {path.parent} is a file, but a folder for the results expected"):
        write_choice_page(path, [], looked_at=1, settings=DrawSettings(), title="run", note="")


def test_chosen_images_are_shown_with_what_was_found(tmp_path: Path) -> None:
    write_choice_page(
        tmp_path / "to_label.html",
        [
            ("x/a.jpg", draw_found(picture(0), FOUND, NAMES, DrawSettings()), 0.75),
            ("b.jpg", draw_found(picture(1), {}, NAMES, DrawSettings()), None),
        ],
        looked_at=40,
        settings=DrawSettings(),
        title="run",
        note="They differ.",
    )
    page = (tmp_path / "to_label.html").read_text(encoding="utf-8")
    assert page.index("1. x/a.jpg") < page.index("uncertainty 0.75") < page.index("2. b.jpg")
    assert page.count("uncertainty") == 1
    assert 'data-value="40"' in page
