"""Where the picture of ``pet-browse`` goes."""

from pathlib import Path

import pytest

from pet.commands.browse import picture_path
from petlib.errors import OutputError


def test_a_picture_goes_to_a_file_or_into_a_folder(tmp_path: Path) -> None:
    (tmp_path / "v1.2").mkdir()
    assert picture_path(Path("a.PNG"), "train") == Path("a.PNG")
    assert picture_path(Path("new"), "train") == Path("new/train_views.png")
    assert picture_path(tmp_path / "v1.2", "test") == tmp_path / "v1.2" / "test_views.png"
    with pytest.raises(OutputError, match=r"--out a\.xyz: a picture is written as \.png, \.jpg, \.jpeg"):
        picture_path(Path("a.xyz"), "train")
