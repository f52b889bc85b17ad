"""Mistakes on the command line of pet-pack: refused before anything is read, and nothing is written."""

import argparse
from pathlib import Path

import pytest

from pet import data
from pet.commands import pack
from petlib.errors import ConfigError, DataError, OutputError, UserError


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    pack.add_options(parser)
    return pack.pack(parser.parse_args(words))


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        ("--out ftp://x", ConfigError, "^--out ftp://x: an empty folder, or an address such as s3://bucket/prefix, .* expected$"),
        ("--out https://example.org/x", ConfigError, "^--out https://example.org/x: an empty folder, or an address such as"),
        ("--out s3://", ConfigError, "^--out s3://: the bucket is missing, s3://bucket/prefix expected$"),
        ("--out file", OutputError, "^--out file: a file, but a folder for the results expected; name another$"),
        ("--out full", OutputError, "^--out full: there are files already; a pack gets a place of its own$"),
        ("--out /proc/x/y", OutputError, "^--out /proc/x/y: the results cannot be written: "),
        (
            "--out new --kinds boxxes",
            ConfigError,
            "^--kinds boxxes: unknown kind 'boxxes'; did you mean boxes.*; one of boxes, ",
        ),
        ("--out new --kinds label,", ConfigError, "^--kinds label,: unknown kind ''; one of "),
        ("--out new --kinds image", ConfigError, "^--kinds image: unknown kind 'image'"),
        ("--out new --part x", ConfigError, "^--part x: digits_train has no parts, as a folder has; leave --part out$"),
    ],
)
def test_mistakes_are_seen_before_data_are_read(
    words: str, kind: type[UserError], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "open_catalog_entry", lambda *_, **__: pytest.fail("the data were read"))
    Path("file").touch()
    Path("full").mkdir()
    Path("full/a").touch()
    with pytest.raises(kind, match=message):
        run("digits_train", *words.split())
    assert {path.name for path in tmp_path.iterdir()} == {"file", "full"}


def test_kinds_and_parts_that_the_data_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="^--kinds boxes,label: digits_train has no boxes; it has label$"):
        run("digits_train", "--out", "new", "--kinds", "boxes,label")
    with pytest.raises(ConfigError, match="^--part x: {type: digits} has no parts"):
        run("{type: digits}", "--out", "new", "--part", "x")
    assert not list(tmp_path.iterdir())
