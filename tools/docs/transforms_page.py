"""The page of all transforms, from their signatures and docstrings."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from pet.data.config import MIXUP
from pet.data.transforms.build import TRANSFORMS
from petlib.config.key import Key

HEAD = """# Transforms

Written by `tools/docs/write_config_page.py` (`make docs`) from the code; a test compares it.

`TRAIN.TRANSFORMS` and `TEST.TRANSFORMS` are lists of names, or of mappings with arguments:

    TRAIN:
      TRANSFORMS: [RandomHorizontalFlip, {name: RandomResizedCrop, scale: [0.2, 1.0]}, Normalize]

A `size` that is left out is the first of `RESIZE.SCALES`, `sizes` are all of them. `train_net_all.py --dry_run` refuses a wrong name, argument or
value and says which entry it is, `TRAIN.TRANSFORMS[1]`, counted from 0; it needs no data. Boxes, masks, keypoints and label images move with
the pixels. A module of your own that `MISC.IMPORTS` names adds transforms: `@pet.data.TRANSFORMS.register()`.

## Of a sample

| transform and its arguments | default | meaning |
|---|---|---|
"""
BATCH = """
## Of a batch, on the device

A `Normalize` at the end of the list is computed once a batch. Classifiers mix the images of a batch, with the keys `TRAIN.MIXUP`:

| key | default | meaning |
|---|---|---|
"""
WITHOUT_DEFAULT = {"size": "`RESIZE.SCALES[0]`", "sizes": "`RESIZE.SCALES`"}


def transforms_page() -> str:
    """Return the whole page."""
    rows = [row for name in sorted(TRANSFORMS.names()) for row in _rows(name, TRANSFORMS.get(name))]
    keys = [f"| `{name}` | `{key.default!r}` | {cell(key.meaning)} |" for name, key in MIXUP.items() if isinstance(key, Key)]
    return HEAD + "\n".join(rows) + "\n" + BATCH + "\n".join(keys) + "\n"


def _rows(name: str, transform: Callable[..., Any]) -> Iterator[str]:
    text = inspect.getdoc(transform) or ""
    meanings = argument_meanings(text)
    yield f"| **`{name}`** | | {cell(text.partition(chr(10) * 2)[0])} |"
    for argument, parameter in inspect.signature(transform).parameters.items():
        # what the loader hands over is no argument of a config
        if argument != "dataset":
            required = parameter.default is inspect.Parameter.empty
            default = WITHOUT_DEFAULT.get(argument, "") if required else f"`{parameter.default!r}`"
            yield f"| `{argument}` | {default} | {cell(meanings[argument])} |"


def argument_meanings(text: str) -> dict[str, str]:
    """Return what the section ``Args:`` of a docstring says of each argument."""
    section = re.split(r"\n\n|\n\w+:\n", text.partition("Args:\n")[2])[0]
    return dict(re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE))


def cell(text: str) -> str:
    """Return a text as one cell of a table, with the code marks of Markdown."""
    marked = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", " ".join(text.split()).replace("``", "`")).replace("|", "\\|")
    # within code a backslash would be seen
    return re.sub(r"`[^`]*`|<", lambda found: "\\<" if found[0] == "<" else found[0], marked)
