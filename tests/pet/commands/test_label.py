import argparse
from pathlib import Path

import pytest

from pet.commands.label import add_options, choose_unlabelled, label
from petlib.errors import CheckpointError, ConfigError, DataError


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(words)


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--top 0: a number from 1 on expected"):
        label(options("run", "--top", "0"))
    with pytest.raises(ConfigError, match="--score 2: a number between 0 and 1 expected"):
        label(options("run", "--score", "2"))
    with pytest.raises(CheckpointError, match="there is no such folder or file; give the folder of a training"):
        label(options(str(tmp_path / "missing")))


def test_images_that_are_not_there_are_named_by_their_option(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(DataError, match=f"^--unlabelled: {missing}: there is no such file or folder"):
        choose_unlabelled(None, tmp_path, options("run", "--unlabelled", missing))  # type: ignore[arg-type]
