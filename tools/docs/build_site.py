"""Build the documentation site: the pages of docs/ and of the root, with links that lead to what is in the site.

A link to another file of the repository, which a forge shows, leads to a copy of that file in the site. Every link and anchor is checked.

python tools/docs/build_site.py [--out build/site]
"""

import argparse
import html
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CONFIG = Path(__file__).with_name("mkdocs.yml")
PAGES = ROOT / "build" / "site_pages"
OTHER_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "docker/README.md": "docker.md",
}
"""Pages outside of docs/ and where the site has them."""
PARTS_OF_PAGES = ("config_head.md",)
COPIES = "repository"
"""The folder of the site with copies of other files."""
SHOWN_AS_THEY_ARE = {".png", ".webp", ".svg", ".ipynb"}
LINK = re.compile(r"(?P<code>`+[^`]+`+)|(?P<head>\[(?:[^\[\]]|\[[^\[\]]*\])*\]\()(?!\w+:|#)(?P<path>[^()#\s]+)(?P<anchor>#[^()\s]*)?\)")


def page_names() -> dict[Path, str]:
    """Return the pages and what the site calls them."""
    names = {ROOT / source: name for source, name in OTHER_PAGES.items()}
    for page in sorted(DOCS.rglob("*.md")):
        name = page.relative_to(DOCS)
        if name.name not in PARTS_OF_PAGES:
            names[page] = (name.with_name("index.md") if name.name == "README.md" else name).as_posix()
    return names


def prepare_pages(folder: Path) -> None:
    """Write the pages with their links, and copies of the files that these lead to, into a folder."""
    names = page_names()
    copied: dict[Path, str] = {}
    for page, name in names.items():
        text = "\n".join(_lines(page, name, names, copied))
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    for source, name in copied.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / name)
    shutil.copyfile(Path(__file__).with_name("site.css"), folder / "site.css")


def _lines(page: Path, name: str, names: dict[Path, str], copied: dict[Path, str]) -> Iterator[str]:
    """Give the lines of a page; blocks of code stay as they are."""

    def replaced(found: re.Match[str]) -> str:
        if found["code"]:
            return _code_in_table(found[0]) if found.string.startswith("|") else found[0]
        return _link(found, page, name, names, copied)

    fenced = False
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = line.lstrip().startswith("```")
        fenced ^= fence
        yield line if fenced or fence or line.startswith("    ") else LINK.sub(replaced, line)


def _code_in_table(text: str) -> str:
    """Return code in a table: a forge takes the backslash before a bar away, the Markdown of the site does not."""
    inner = text.strip("`").replace("\\|", "|")
    return f"<code>{html.escape(inner).replace('|', '&#124;')}</code>" if "|" in inner else text


def _link(found: re.Match[str], page: Path, name: str, names: dict[Path, str], copied: dict[Path, str]) -> str:
    """Return a link of a page as the site has it."""
    target = (page.parent / found["path"]).resolve()
    if target in names:
        place = names[target]
    elif target.is_file() and target.is_relative_to(ROOT):
        inside = target.relative_to(DOCS) if target.is_relative_to(DOCS) else COPIES / target.relative_to(ROOT)
        # text that browsers would download is shown
        place = copied.setdefault(target, inside.as_posix() + ("" if target.suffix in SHOWN_AS_THEY_ARE else ".txt"))
    else:
        # left as it is, for the check of the links to name it
        return found[0]
    return f"{found['head']}{os.path.relpath(place, Path(name).parent)}{found['anchor'] or ''})"


def main() -> int:
    """Prepare the pages and build the site."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="the folder of the site")
    out = parser.parse_args().out.resolve()
    if importlib.util.find_spec("material") is None:
        print("error: mkdocs-material, which makes the site, is not installed: pip install 'pet-vision[docs]'", file=sys.stderr)
        return 2
    shutil.rmtree(PAGES, ignore_errors=True)
    prepare_pages(PAGES)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", CONFIG, "-d", out]
    # the theme's own notice of its end, which docs/architecture.md has; a warning that is printed here is one about a page
    return subprocess.run(command, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
