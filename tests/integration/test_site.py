"""The documentation site: every link and anchor leads somewhere, on a forge and in the site, and nothing is asked of other servers."""

import functools
import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from tests.integration.conftest import ROOT
from tests.pet.report.chromium import Browser, find_chromium, open_browser

TOOLS = ROOT / "tools" / "docs"
MIB = 2**20


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    # dataclasses look for the module of their class
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(folder: Path, **settings: object) -> Path:
    """Build the site, strictly: a link or an anchor that leads nowhere, or a page without a place, ends it."""
    load_config = importlib.import_module("mkdocs.config").load_config
    mkdocs_build = importlib.import_module("mkdocs.commands.build").build
    tool("build_site").prepare_pages(folder / "pages")
    config = load_config(str(TOOLS / "mkdocs.yml"), docs_dir=str(folder / "pages"), site_dir=str(folder / "site"), strict=True, **settings)
    mkdocs_build(config)
    return folder / "site"


def test_every_link_and_anchor_leads_somewhere(tmp_path: Path) -> None:
    # links are the same in any theme, and this one is small
    site = build(tmp_path, theme={"name": "mkdocs"}, plugins=[])
    first = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="report.html"' in first and 'href="contributing.html"' in first
    zoo = (site / "model_zoo.html").read_text(encoding="utf-8")
    assert 'href="repository/cfgs/vision/digits/resnet20_digits.yaml.txt"' in zoo
    config = "cfgs/vision/digits/resnet20_digits.yaml"
    assert (site / "repository" / f"{config}.txt").read_bytes() == (ROOT / config).read_bytes()
    # a bar within code in a table
    assert "<code>predict_video(path: str | Path)</code>" in (site / "api.html").read_text(encoding="utf-8")


def test_the_gallery_has_its_pictures() -> None:
    gallery = tool("gallery")
    assert [*gallery.missing_pictures()] == []
    files = [*gallery.PICTURES.iterdir()]
    assert {path.stem for path in files} == {picture.name for picture in gallery.GALLERY}
    assert sum(path.stat().st_size for path in files) < 1.5 * MIB


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Write nothing."""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Build the site as it is published, and serve it."""
    pytest.importorskip("material", reason="the theme is not installed; pip install 'pet-vision[docs]' brings it")
    site = build(tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.mark.nightly
@pytest.mark.skipif(not find_chromium(), reason="there is no chromium; apt-get install chromium brings it")
def test_it_is_read_and_searched_without_other_servers(address: str, tmp_path: Path) -> None:
    with open_browser(tmp_path / "profile") as browser:
        for page in ("index", "config", "api", "gallery", "zh/index"):
            for width in (1280, 390):
                browser.look(f"{address}{page}.html", width=width, dark=width == 390)
                assert [request for request in browser.requests() if not request.startswith(address)] == []
                assert browser.complaints() == []
                assert browser.evaluate("document.documentElement.scrollWidth") <= width
        for word, page in (("DISPLAY_ITER", "config.html"), ("优先级", "zh/config.html")):
            assert page in found(browser, address, word)


def found(browser: Browser, address: str, word: str) -> str:
    """Return the addresses that the search gives for a word."""
    browser.look(f"{address}index.html", width=1280, dark=False)
    browser.evaluate("document.querySelector('[data-md-toggle=search]').click(); document.querySelector('.md-search__input').focus()")
    browser.call("Input.insertText", text=word)
    browser.wait_for("document.querySelectorAll('.md-search-result__link').length > 0")
    links = browser.evaluate("[...document.querySelectorAll('.md-search-result__link')].map(link => link.href).join(' ')")
    return str(links)
