"""The filter of the notebook: images that are nearly all background are left out."""

from pathlib import Path

from pet.data.loading.background_share import background_shares, select_stems
from petlib.errors import DataError
from petlib.files import write_text_atomically


def get_img_file(
    img_folder: str | Path, max_background: float = 0.95, *, labels: str | Path | None = None, out: str | Path = "train2.txt"
) -> list[str]:
    """Write the names of the images with enough foreground to a list, print how many there are, and return them.

    ``tools/data/filter.py`` does the same on the command line.

    Args:
        img_folder: folder of the images.
        max_background: greatest share of background, label 0, from 0 to 1, with which an image is kept.
        labels: folder of the label images, of the same names but for the suffix; None: ``gt`` next to ``img_folder``.
        out: the list: a name without suffix in each line.

    Returns:
        The names, sorted.

    Raises:
        ConfigError: ``max_background`` is no share.
        DataError: a label image is missing or cannot be read, or no image is left.
    """
    images = Path(img_folder)
    shares = background_shares(images, images.parent / "gt" if labels is None else Path(labels))
    kept = select_stems(shares, max_background)
    if not kept:
        raise DataError(f"{images}: all {len(shares)} label images are more than {max_background:.1%} background; raise max_background")
    write_text_atomically(Path(out), "".join(f"{name}\n" for name in kept))
    print(f"kept {len(kept)} of {len(shares)} images (background up to {max_background:.1%}); written: {out}")
    return kept
