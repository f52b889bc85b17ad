import pytest

from petlib.suggest import counted


@pytest.mark.parametrize(
    ("count", "word", "text"),
    [
        (1, "class", "1 class"),
        (0, "class", "0 classes"),
        (2, "identity", "2 identities"),
        (2000, "box", "2,000 boxes"),
        (3, "image", "3 images"),
    ],
)
def test_numbers_agree_with_what_they_count(count: int, word: str, text: str) -> None:
    assert counted(count, word) == text
