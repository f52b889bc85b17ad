"""The page in a real browser."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pet.report.data_page import DATA_PAGE, write_data_page
from pet.report.page import PAGE, write_page
from pet.report.server import RunServer
from pet.visual.settings import DrawSettings
from tests.pet.report.chromium import Browser, find_chromium, open_browser
from tests.pet.report.made_data import faulty_data
from tests.pet.report.made_runs import write_run

pytestmark = pytest.mark.skipif(not find_chromium(), reason="there is no chromium; apt-get install chromium brings it")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, page: Path) -> dict[str, Path]:
    path = tmp_path_factory.mktemp("data") / DATA_PAGE
    write_data_page(path, *faulty_data(), DrawSettings(), title="pets")
    return {"run": page, "data": path}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_run(tmp_path_factory.mktemp("runs") / "run")
    write_page([folder], folder / PAGE)
    return folder / PAGE


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
@pytest.mark.parametrize("name", ["run", "data"])
def test_it_opens_from_the_disk_without_a_request_or_a_complaint(
    browser: Browser, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    page = pages[name]
    browser.look(page.as_uri(), width=width, dark=dark)
    assert browser.complaints() == []
    assert browser.requests() == [page.as_uri()]
    # nothing has to be moved sideways
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.querySelectorAll('.plot canvas').length - document.querySelectorAll('.plot').length") == 0
    if name == "run" and width == 1280:
        # what is written on them can be read
        assert browser.evaluate("Math.min(...[...document.querySelectorAll('.sample img')].map((picture) => picture.clientWidth))") >= 200
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 23, 28)" if dark else "rgb(255, 255, 255)")


def test_the_keyboard_reaches_and_reads_a_chart_and_sorts_a_table(browser: Browser, page: Path) -> None:
    browser.look(page.as_uri(), width=1280, dark=False)
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.textContent") == "Skip to the content"
    for _ in range(40):
        if browser.evaluate("document.activeElement.className === 'plot'"):
            break
        browser.press("Tab")
    browser.press("ArrowRight")
    legend = "[...document.activeElement.querySelectorAll('.u-value')].map((cell) => cell.textContent.trim())"
    browser.wait_for(f"{legend}[0] === '1'")
    assert browser.evaluate(legend)[1] == "5"
    browser.evaluate("document.querySelector('#test table th:nth-child(2) button').focus()")
    browser.press("Enter")
    assert browser.evaluate("document.querySelector('#test table tbody tr td').textContent") == "bbox/AP"
    assert browser.evaluate("document.querySelector('#test table th:nth-child(2)').ariaSort") == "descending"


def test_a_served_page_follows_the_run(browser: Browser, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", tested=False)
    server = RunServer(folder)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        browser.look(server.address, width=1280, dark=False)
        assert "iteration 30 of 40, 0:00:10 left" in browser.evaluate("document.body.textContent")
        with (folder / "logs" / "train_rank0.log").open("a") as log:
            log.write("\n[11-29 18:23:56] |-[a.yaml]-[iter: 40/40]-[lr: 0.1]-[eta: 0:00:00]")
        browser.wait_for("document.body.textContent.includes('iteration 40 of 40, 0:00:00 left')")
        assert browser.complaints() == []
    finally:
        server.close()
        thread.join()
