import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pet.report.advice import advise
from pet.report.page import PAGE, render_page, write_page
from pet.report.run_folder import RunFolder, read_run
from pet.report.sections import sections_of
from petlib.errors import DataError
from tests.pet.report.made_runs import METRICS, write_run


class Cells(HTMLParser):
    """The rows of all tables: the text of the first cell, and the exact values of the others."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            value = dict(attrs).get("data-value")
            self._in_cell = value is None
            if value is not None:
                self.rows[-1].append(value)

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1].append(data)


def test_the_numbers_are_those_of_metrics_json(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    write_page([tmp_path / "run"], tmp_path / PAGE)
    rows = {row[0]: row[1:] for row in Cells((tmp_path / PAGE).read_text(encoding="utf-8")).rows if row}
    written = json.loads((tmp_path / "run/test/metrics.json").read_text())
    assert float(rows["bbox/AP"][0]) == written["bbox/AP"] == METRICS["bbox/AP"]
    assert rows["bbox/APl"] == [""]
    assert {name: float(rows[name][-1]) for name in ("dog", "</script>")} == {"dog": 0.3, "</script>": 0.1}
    assert "cat" in rows


def test_a_page_of_ten_thousand_images_is_small_and_asks_for_nothing(tmp_path: Path) -> None:
    write_run(tmp_path / "run", images=10_000, pictures=16)
    write_page([tmp_path / "run"], tmp_path / PAGE)
    text = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert len(text.encode()) < 5_000_000
    addresses = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "default-src 'none'" in text


def test_names_from_files_are_text_and_no_scripts(tmp_path: Path) -> None:
    text = render_page([read_run(write_run(tmp_path / "run"))])
    assert "<script>alert" not in text
    assert "image 0 &lt;i&gt;" in text
    assert "an image is left out: &lt;b&gt;" in text


def test_what_is_worth_a_look_is_said_with_its_numbers(tmp_path: Path) -> None:
    text = render_page([read_run(write_run(tmp_path / "run"))])
    assert "The weakest classes by bbox/AP: &lt;/script&gt; (10%), dog (30%), cat (51%)" in text
    assert "50% of the time is spent waiting for data" in text
    assert "bbox/AP was best at iteration 20 (0.6) and is 0.4 at the end" in text
    assert "The log of the training has 1 warning," in text
    assert "There is no test yet" in render_page([read_run(write_run(tmp_path / "other", tested=False))])


def test_the_summary_has_figures_of_each_evaluator() -> None:
    metrics = {**{f"bbox/{name}": 0.5 for name in ("AP", "AP50", "AP75", "APs")}, "track/HOTA": 0.1, "track/IDSW": None, "track/IDF1": 0.2}
    (tiles,) = next(section for section in sections_of(RunFolder(Path(), "", metrics=metrics)) if section.id == "summary").blocks
    assert [name for name, _ in tiles["tiles"]] == ["bbox/AP", "bbox/AP50", "bbox/AP75", "track/HOTA", "track/IDF1"]


def test_identity_switches_are_a_whole_number() -> None:
    run = RunFolder(Path(), "", metrics={"track/HOTA": 1.0, "track/IDSW": 3.0})
    (table,) = next(section for section in sections_of(run) if section.id == "test").blocks
    assert [(name, type(value)) for name, value in table["rows"]] == [("track/HOTA", float), ("track/IDSW", int)]


def test_ranges_of_counts_are_no_classes() -> None:
    ranges = {f"count/MAE/{name}": 0.5 for name in ("0", "1-100", "101-500")}
    run = RunFolder(Path(), "", facts={"classes": {}}, metrics=ranges)
    titles = [block["title"] for section in sections_of(run) for block in section.blocks if section.id == "test"]
    assert titles == ["count by group"]
    assert not any("weakest" in line for line in advise(run))
    assert any("weakest classes by count/MAE" in line for line in advise(RunFolder(Path(), "", metrics=ranges)))


def test_runs_next_to_each_other_say_what_differs(tmp_path: Path) -> None:
    runs = [read_run(write_run(tmp_path / "first")), read_run(write_run(tmp_path / "second", lr=0.05))]
    text = render_page(runs)
    rows = [row for row in Cells(text).rows if row]
    assert ["bbox/AP", *[str(METRICS["bbox/AP"])] * 2] in rows
    assert ["SOLVER.OPTIMIZER.BASE_LR", "0.1", "0.05"] in rows
    # what is the same in both is in no table of differences
    section = text[text.index('id="differences"') : text.index('id="run1-summary"')]
    assert "a processor" not in section


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such folder; give the output folder of a training"):
        read_run(tmp_path / "missing")
    with pytest.raises(DataError, match=r"no run has written into this folder: it has neither metrics\.jsonl nor test/metrics\.json"):
        read_run(tmp_path)


def test_files_that_are_being_written_count_as_missing(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    for name in ("run.json", "test/charts.json", "test/samples/samples.json"):
        (folder / name).write_text('{"half')
    (folder / "latest" / "0.jpg").unlink()
    run = read_run(folder)
    assert (run.charts, run.samples, len(run.latest)) == ([], [], 1)
    assert "bbox/AP" in render_page([run])


def test_progress_follows_from_the_log(tmp_path: Path) -> None:
    progress = read_run(write_run(tmp_path / "run")).progress
    assert progress is not None
    assert (progress.iteration, progress.iterations, progress.remaining, progress.share) == (30, 40, "0:00:10", 0.75)
