"""Projects that pet-new writes, and what it refuses."""

import ast
import re
import stat
import sys
from pathlib import Path

import pytest

from pet import cli
from pet.templates.catalog import TEMPLATES
from pet.templates.new_project import main, write_project
from petlib.config.nested import read_nested
from petlib.errors import ConfigError, OutputError


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_file_of_a_project_can_be_read(template: str, tmp_path: Path) -> None:
    files = write_project(template, tmp_path / "shop")
    written = {path.relative_to(tmp_path / "shop") for path in (tmp_path / "shop").rglob("*") if path.is_file()}
    assert written == set(files)
    wanted = {"README.md", "config.py", "networks.py", "data.py", "train.py", "test.py", "export.py", "tests/test_project.py", ".gitignore"}
    assert wanted <= set(map(str, files))
    for name in files:
        text = (tmp_path / "shop" / name).read_text(encoding="utf-8")
        assert not re.search(r"\$\w|\$\{", text), name
        if name.suffix == ".py":
            ast.parse(text)
    assert (tmp_path / "shop" / "README.md").read_text().startswith("# shop\n")
    assert read_nested(tmp_path / "shop" / "config.py").to_dict()
    assert contents(tmp_path) == ["shop"]


def test_what_the_placeholders_of_a_task_become(tmp_path: Path) -> None:
    write_project("classification", tmp_path / "shop")
    config = read_nested(tmp_path / "shop" / "config.py")
    assert config.get("model.type") == "Classifier"
    assert config.get("data.val.inputs_def.fields") == ["image", "label"]
    assert config.get("evaluation.metric") == {"type": "TopKAccuracy", "topk": [1, 2]}
    assert '"shop.onnx"' in (tmp_path / "shop" / "export.py").read_text()


def test_an_empty_folder_is_filled_and_others_may_read_it(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    write_project("gan", tmp_path / "shop")
    assert (tmp_path / "shop" / "model.py").exists()
    assert stat.S_IMODE((tmp_path / "shop").stat().st_mode) == stat.S_IMODE((tmp_path / "shop" / "tests").stat().st_mode)


def test_a_folder_with_something_in_it_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="shop: it is there already; give the name of a new folder"):
        write_project("gan", tmp_path / "shop")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with pytest.raises(ConfigError, match=f"{name}: it is there already"):
            write_project("gan", tmp_path / name)
    assert contents(tmp_path / "shop") == ["notes.txt"]
    assert contents(tmp_path) == ["file", "link", "shop"]


@pytest.mark.parametrize("name", ["1st", "my project", "a.b", "-x", "größe"])
def test_a_bad_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a project: a letter expected, then letters, digits, '_' or '-'"):
        write_project("gan", tmp_path / name)
    assert not contents(tmp_path)


def test_an_unknown_template_names_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'segmentaton' given, one of segmentation, detection.* expected; did you mean segmentation"):
        write_project("segmentaton", tmp_path / "shop")
    assert not contents(tmp_path)


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="shop: the project cannot be written: No such file or directory; nothing was left there"):
        write_project("gan", tmp_path / "missing" / "shop")


def test_nothing_half_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_disk(path: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", fill_disk)
    with pytest.raises(OutputError, match="No space left on device"):
        write_project("gan", tmp_path / "shop")
    assert not contents(tmp_path)


def test_the_command_says_what_to_do_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["pet-new", "--template", "keypoints", "arms"])
    with pytest.raises(SystemExit) as stopped:
        cli.new()
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert "arms: a project of the template keypoints\n" in printed
    assert "  networks.py\n" in printed
    assert "  cd arms\n  python -m pytest\n  python train.py\n" in printed


def test_mistakes_end_with_code_2_and_the_help_lists_the_templates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--template", "poses", str(tmp_path / "shop")])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("error: --template: 'poses' given")
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed and template.title in printed for name, template in TEMPLATES.items())
