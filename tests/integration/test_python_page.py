"""The program of docs/python.md and the cells of its notebook, run in their order."""

import json
import re
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, Done, environment
from tests.integration.warm_python import warm_python

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
NOTEBOOK = json.loads((ROOT / "docs" / "python.ipynb").read_text(encoding="utf-8"))
CELLS = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def execute(program: str, folder: Path) -> str:
    (folder / "program.py").write_text(program, encoding="utf-8")
    done = Done(*warm_python().run([folder / "program.py"], folder=folder, environment=environment(), timeout=400))
    assert done.code == 0, done.output[-3000:]
    return done.output


def test_the_program_of_the_page(tmp_path: Path) -> None:
    assert len(BLOCKS) == 3
    output = execute("\n".join(BLOCKS), tmp_path)
    assert re.search(r"'cls/acc1': 0\.9", output), output[-2000:]
    assert output.count("['1']") == 2, output[-2000:]
    assert (tmp_path / "one.png").stat().st_size > 0
    assert (tmp_path / "digits.onnx").stat().st_size > 0


@pytest.mark.nightly
def test_the_cells_of_the_notebook(tmp_path: Path) -> None:
    assert len(CELLS) == 5
    ends = "\n".join(f"print(repr({cell.splitlines()[-1]}))" if cell.startswith(("found", "pet.")) else cell for cell in CELLS)
    output = execute(ends + "\nprint(sum(one.classes[0] == str(label) for one, label in zip(found, truth)), 'right')", tmp_path)
    right = re.search(r"(\d+) right$", output.strip())
    assert right is not None and int(right[1]) >= 9, output[-2000:]
    assert "{'cls/acc1': 0.9" in output
