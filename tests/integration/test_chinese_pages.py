"""The Chinese pages say what the English ones say: the same code, keys, figures, links and tables in every section."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT

DOCS = ROOT / "docs"
CHINESE = DOCS / "zh"
ENGLISH = {"README.md": ROOT / "README.md", "config.md": DOCS / "config_head.md"}
"""The English page of a Chinese one, where it is not the page of the same name in docs/."""
NAMES = sorted(page.name for page in CHINESE.glob("*.md"))
PROMISED = {"README.md", "quick_start.md", "config.md", "data.md", "launcher.md"}
PROMISED |= {"paddleseg.md", "train_job.md", "trainframework_reference.md", "antgo.md"}
OTHER_LANGUAGE = re.compile(r"^\[(?:English|中文)\]\(.*\)$", re.MULTILINE)
BLOCK = re.compile(r"^```[^`]*?^```$|(?:(?<=\n\n)(?:^    [^\n]*\n)+)", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:[.,]\d+)*")
COMMENT = re.compile(r"(?:^|(?<=\s))#(?!SBATCH|!).*$|\s+$", re.MULTILINE)
ONLY_THERE = re.compile(r"^The tables below.*$|^所有的键.*$|^<!--.*-->$", re.MULTILINE)


@dataclass
class Section:
    """What has to be the same in both languages from one heading to the next.

    Attributes:
        level: of the heading.
        code: blocks of code without comments.
        words: code within texts.
        numbers: figures in texts.
        links: pages, anchors and addresses.
        rows: cells of each line of tables.
    """

    level: int
    code: list[str]
    words: Counter[str]
    numbers: Counter[str]
    links: Counter[str]
    rows: list[int]


def sections(page: Path) -> list[Section]:
    text = ONLY_THERE.sub("", OTHER_LANGUAGE.sub("", page.read_text(encoding="utf-8")))
    found: list[list[str]] = [[]]
    fenced = False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            found.append([])
        found[-1].append(line)
    assert not "".join(found[0]).strip(), f"{page}: text above the first heading"
    return [section(lines, page) for lines in found[1:]]


def section(lines: list[str], page: Path) -> Section:
    """Return what one section holds."""
    text = "\n".join(lines) + "\n"
    code = [COMMENT.sub("", one) for one in BLOCK.findall(text)]
    prose = BLOCK.sub("", text)
    links = Counter(place(link, page) for link in LINK.findall(prose))
    words = Counter(" ".join(word.split()) for word in CODE.findall(prose))
    bare = CODE.sub("", re.sub(r"\]\([^)]*\)", "]", prose))
    rows = [line.count("|") for line in prose.splitlines() if line.startswith("|")]
    return Section(len(lines[0]) - len(lines[0].lstrip("#")), code, words, Counter(NUMBER.findall(bare)), links, rows)


def place(link: str, page: Path) -> str:
    """Return where a link leads to, of a page in both languages the English one."""
    if "://" in link:
        return link
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve()
    if target.parent == CHINESE:
        assert target.is_file(), f"{page}: {link}"
        target = DOCS / target.name if target.name != "README.md" else ROOT / target.name
    # what a heading is called differs
    return f"{target.relative_to(ROOT)}#{anchor if not page.is_relative_to(CHINESE) or '../' in path else '*'}" if anchor else str(target)


def test_what_is_promised_is_there() -> None:
    assert set(NAMES) == PROMISED
    for name in NAMES:
        english = ENGLISH.get(name, DOCS / name)
        there = f"[English]({'../../README.md' if name == 'README.md' else f'../{name}'})"
        back = f"[中文]({'docs/zh' if english.parent == ROOT else 'zh'}/{name})"
        assert f"\n{there}\n" in (CHINESE / name).read_text(encoding="utf-8"), name
        assert f"\n{back}\n" in english.read_text(encoding="utf-8"), english


@pytest.mark.parametrize("name", NAMES)
def test_code_keys_figures_links_and_tables_are_the_same(name: str) -> None:
    english, chinese = sections(ENGLISH.get(name, DOCS / name)), sections(CHINESE / name)
    assert [one.level for one in chinese] == [one.level for one in english]
    for number, (there, here) in enumerate(zip(english, chinese, strict=True)):
        for part in ("code", "words", "numbers", "links", "rows"):
            assert getattr(here, part) == getattr(there, part), f"{name}, section {number}: {part}"


def test_a_difference_is_found(tmp_path: Path) -> None:
    base = "# A\n\nText `x` 3 [b](config.md)\n\n    run 1  # says\n\n| a | `K` |\n|---|---|\n"
    page = tmp_path / "page.md"

    def written(text: str) -> Section:
        page.write_text(text, encoding="utf-8")
        return section(text.splitlines(), DOCS / "page.md")

    same = written(base)
    assert written(base.replace("says", "说").replace("Text", "文字")) == same
    for given, other in (("`x`", "`y`"), ("3", "4"), ("config", "data"), ("run 1", "run 2"), ("`K` |", "`K` | |"), ("# A", "## A")):
        assert written(base.replace(given, other)) != same, other
