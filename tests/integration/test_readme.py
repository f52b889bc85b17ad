"""What the README promises: its commands, its table of files, its ten lines for own data, its links."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.integration.conftest import ROOT, Run, environment

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (python tools/\S+ --cfg .*)$", README, re.MULTILINE)
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\((?!\w+://)(?P<path>[^)#]+)(#[^)]*)?\)")
# what a user would have
EXAMPLES = re.compile(
    r"(cfgs|tools|pet|tests)/projects/|cfgs/tasks/cls/flowers|cfgs/vision/mscoco/|(cfgs|tools)/blobs/|tests/projects/|(cfgs|pet)/vision/\S*count"
)


def execute(line: str, folder: Path) -> str:
    """Run a command line of the README in ``folder``, as a user starts it, and return what it printed."""
    words = shlex.split(line)
    assert words[0] == "python"
    done = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the scripts and configs of Pet, as a user has it."""
    for name in ("cfgs", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def documented_files() -> list[str]:
    """Return the files of the README's table as they are called after the default example."""
    table = README.partition("| file | what |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [name.replace("<k>", "0").replace("<N>", "330") for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_the_default_example_trains_and_tests_as_described(checkout: Path) -> None:
    train, test = (line for line in COMMANDS if "digits" in line)
    execute(train, checkout)
    last = execute(test, checkout).strip().splitlines()[-1]
    found = re.fullmatch(r"test_acc1: (\d+\.\d\d)% \| test_acc5: (\d+\.\d\d)%", last)
    assert found, last
    folder = checkout / "ckpts" / "vision" / "digits" / "resnet20_digits"
    metrics = json.loads((folder / "test" / "metrics.json").read_text())
    assert [f"{100 * metrics[name]:.2f}" for name in ("cls/acc1", "cls/acc5")] == list(found.groups())
    assert all(isinstance(value, float) and 0.0 <= value <= 1.0 for value in metrics.values())
    assert metrics["cls/acc1"] >= 0.985
    names = documented_files()
    assert len(names) == 12
    missing = [name for name in names if not (folder / name).exists()]
    assert not missing
    assert len((folder / "test" / "predictions.jsonl").read_text().splitlines()) == 360
    assert [*(folder / "events").iterdir()]


def write_flowers(folder: Path) -> None:
    """Write class folders with images that differ in their colour."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 4)):
        for channel, name in enumerate(("daisy", "rose", "tulip")):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                image = rng.integers(0, 120, (40, 48, 3), dtype=np.uint8)
                image[:, :, channel] += 100
                cv2.imwrite(str(folder / split / name / f"{number}.jpg"), image)


def test_ten_lines_train_on_own_data(checkout: Path, run: Run) -> None:
    block = README.partition("```yaml\n")[2].partition("```")[0]
    assert len(block.splitlines()) <= 10
    assert "/data/flowers/" in block
    assert "WEIGHTS: timm" in block
    write_flowers(checkout / "flowers")
    config = checkout / "cfgs" / "tasks" / "cls" / "flowers.yaml"
    # the data lie elsewhere, and no network is needed
    config.write_text(block.replace("/data/flowers", str(checkout / "flowers")).replace("WEIGHTS: timm", 'WEIGHTS: ""'))
    small = ["SOLVER.SCHEDULER.TOTAL_EPOCHS=1", "TRAIN.BATCH_SIZE=8", "TRAIN.NUM_WORKERS=1", "TEST.NUM_WORKERS=0"]
    small += ["TRAIN.RESIZE.SCALES=[32]", "TEST.RESIZE.SCALES=[32]", "MISC.TENSORBOARD=False"]
    (train,) = (line for line in COMMANDS if "flowers" in line)
    _, script, *words = shlex.split(train)
    run(script.removeprefix("tools/"), *words, *small).succeeded()
    tested = run("test_net.py", "--cfg", "cfgs/tasks/cls/flowers.yaml", *small).succeeded()
    last = tested.results[-1]
    assert re.match(r"test_acc1: \d+\.\d\d%", last), last
    folder = checkout / "ckpts" / "tasks" / "cls" / "flowers"
    predictions = [json.loads(line) for line in (folder / "test" / "predictions.jsonl").read_text().splitlines()]
    assert len(predictions) == 12
    assert "daisy" in (folder / "config.yaml").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    paths = [found["path"] for found in LINK.finditer(page.read_text(encoding="utf-8"))]
    missing = [path for path in paths if not (page.parent / path).exists()]
    assert not missing
    assert paths or page.name != "README.md"


def test_scripts_and_configs_in_the_text_exist() -> None:
    # of the page about other toolboxes, which names their scripts, test_coming_from_page.py looks at Pet's
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES if page.name != "coming_from.md")
    named = set(re.findall(r"\b(?:cfgs|tools|docs|lib|pet|tests)/[\w./-]+\.(?:py|yaml|md)\b", text))
    missing = [name for name in sorted(named) if not (ROOT / name).exists() and not EXAMPLES.match(name)]
    assert not missing
