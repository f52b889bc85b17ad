"""Names of files that were written on another system or from another folder."""

import unicodedata
from pathlib import Path

import pytest

from pet.data.files.opening import open_file
from pet.data.files.path_variants import PathVariants
from petlib.errors import DataError

COMPOSED, DECOMPOSED = "caf\u00e9.png", unicodedata.normalize("NFD", "caf\u00e9.png")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a.png", "a.png"),
        ("sub\\b.png", "sub/b.png"),
        (".\\sub\\b.png", "sub/b.png"),
        ("my%20image.png", "my image.png"),
        ("sub/c%231.png", "sub/c#1.png"),
        ("100%25.png", "100%25.png"),
        ("train/a.png", "a.png"),
        ("./train/a.png", "a.png"),
        ("images/train/sub/b.png", "sub/b.png"),
        ("images\\train\\sub\\b.png", "sub/b.png"),
        ("/SegNet/CamVid/train/sub/b.png", "sub/b.png"),
        ("C:\\data\\my%20image.png", "my image.png"),
        (COMPOSED, DECOMPOSED),
        ("train/none.png", "train/none.png"),
        ("/somewhere/none.png", "/somewhere/none.png"),
    ],
)
def test_the_file_that_a_name_means(name: str, file: str, tmp_path: Path) -> None:
    folder = tmp_path / "images" / "train"
    touch(folder, "a.png", "sub/b.png", "my image.png", "sub/c#1.png", "100%25.png", DECOMPOSED)
    assert PathVariants(folder).find(name, "x:1") == file


def test_a_name_that_leads_to_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    touch(tmp_path / "train", "train/a.png", "a.png", "b%20c.png", "b c.png")
    variants = PathVariants(tmp_path / "train")
    assert [variants.find(name, "x:1") for name in ("train/a.png", "b%20c.png")] == ["train/a.png", "b%20c.png"]
    assert variants.find(str(tmp_path / "train" / "a.png"), "x:1") == str(tmp_path / "train" / "a.png")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("images/sub/a.jpg", "sub/a.jpg"),
        ("labels\\sub\\a", "sub/a"),
        ("/home/me/images/sub/a.jpg", "sub/a.jpg"),
        ("./images/sub/a", "sub/a"),
        ("other/sub/a", "other/sub/a"),
    ],
)
def test_names_may_be_ids_and_have_the_folder_of_the_images(name: str, found: str, tmp_path: Path) -> None:
    touch(tmp_path, "labels/sub/a.xml", "images/sub/a.jpg")
    variants = PathVariants(
        tmp_path / "labels", tmp_path / "images", leads=lambda name: (tmp_path / "labels" / f"{name.removesuffix('.jpg')}.xml").is_file()
    )
    assert variants.find(name, "x:1") == found


def test_what_is_ambiguous_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "sub/a%20b.png", "sub/a b.png", "c.png")
    variants = PathVariants(tmp_path)
    with pytest.raises(DataError, match=r"x:1: there is no .* below .*; 'sub/a b\.png' and 'sub/a%20b\.png' may be meant"):
        variants.find("sub\\a%20b.png", "x:1")
    assert variants.find("/train/c.png", "x:1") == variants.find("/train/c.png", "x:2") == "c.png"
    with pytest.raises(DataError, match=r"x:3: '/val/c\.png' and '/train/c\.png' would both be 'c\.png' below .*; correct them"):
        variants.find("/val/c.png", "x:3")


def test_it_is_said_once_how_names_are_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "sub/a.png", "sub/b.png")
    variants = PathVariants(tmp_path)
    for name in ("sub\\a.png", "sub\\b.png", "sub/a.png"):
        variants.find(name, "x:1")
    variants.log()
    assert caplog.messages == [f"{tmp_path}: 2 names of files are read in another way, e.g. {chr(39)}sub\\\\a.png{chr(39)} as 'sub/a.png'"]


@pytest.mark.parametrize(("name", "there"), [("A.PNG", "a.png"), ("a.jpg", "a.png"), (COMPOSED, DECOMPOSED)])
def test_a_missing_file_names_its_neighbour(name: str, there: str, tmp_path: Path) -> None:
    touch(tmp_path, "a.png", DECOMPOSED)
    with pytest.raises(DataError, match=f"the image cannot be read: No such file or directory; there is {there} in its folder$"):
        open_file(tmp_path / name, what="the image")
    with pytest.raises(DataError, match=f"the image cannot be read: No such file or directory; there is {there} in {tmp_path}$"):
        open_file(tmp_path / "none" / "deep" / name, what="the image")
    with pytest.raises(DataError, match="the image cannot be read: No such file or directory$"):
        open_file(tmp_path / "none" / "other.png", what="the image")
