"""A program next to an exported file that predicts with it, without Pet and without PyTorch."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pet import __version__
from pet.data.targets.pixel_types import EIGHT_BITS
from pet.exporting.description import ModelDescription
from pet.exporting.steps import FRAMES, Step, describe_steps, fit_into
from pet.typed import PetConfig
from petlib.config import ConfigError
from petlib.errors import OutputError
from petlib.files import write_text_atomically

TEMPLATES = Path(__file__).parent / "scripts"
NAME = "predict.py"
MARK = "Written by Pet "
"""In the second paragraph of each program: what is replaced by the next export of the same file."""
BEGIN = 2000
"""Characters in which it is looked for."""

logger = logging.getLogger(__name__)


class Script(NamedTuple):
    """Which program belongs to a network.

    Attributes:
        template: its file in ``pet/exporting/scripts``, without suffixes.
        values: what its placeholders need in addition to what all have.
        usage: the arguments of its command line.
    """

    template: str
    values: Mapping[str, Any] = MappingProxyType({})
    usage: str = "IMAGE [IMAGE ...]"


class NetworkFacts(NamedTuple):
    """What an exported network takes and gives.

    Attributes:
        inputs: names in the file, the images first.
        outputs: what they are, in their order.
        size: height and width that the file takes; None: any.
        padded: it also takes the size of the image, which is padded.
        description: what the file says of itself.
    """

    inputs: Sequence[str]
    outputs: Sequence[str]
    size: tuple[int, int] | None
    padded: bool
    description: ModelDescription


def write_script(cfg: PetConfig, script: Script, facts: NetworkFacts, path: Path) -> Path | None:
    """Write a program of less than 100 lines, empty ones not counted, that predicts with an exported file, and return its path.

    It is called ``predict.py``; where a file of that name belongs to something else ``predict_NAME.py``.

    Args:
        cfg: the config, whose ``TEST.TRANSFORMS`` it repeats.
        script: which program.
        facts: of the network.
        path: the exported file.

    Returns:
        None: nothing was written, and a warning says why.
    """
    try:
        steps = describe_steps(cfg)
        if cfg.EXPORT.BATCH > 1 and "batch" not in script.values:
            raise ConfigError(f"EXPORT.BATCH: {cfg.EXPORT.BATCH} given, and it looks at one image at a time")
        target = _find_name(path)
    except ConfigError as error:
        logger.warning("no %s is written next to %s: %s", NAME, path, error)
        return None
    text = render_script(script, facts, steps, file=path.name, name=target.name)
    try:
        write_text_atomically(target, text)
    except OSError as error:
        raise OutputError(f"{target}: the program cannot be written: {error.strerror}; choose another folder") from error
    return target


def render_script(script: Script, facts: NetworkFacts, steps: Sequence[Step], *, file: str, name: str) -> str:
    """Return the program.

    Args:
        script: which one.
        facts: of the network.
        steps: what is done to an image, see :func:`pet.exporting.steps.describe_steps`.
        file: name of the exported file.
        name: that of the program.
    """
    # slow, and only needed here
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    description = facts.description
    values = {
        "version": __version__,
        "file": file,
        "script": name,
        "usage": script.usage,
        "inputs": list(facts.inputs),
        "outputs": list(facts.outputs),
        "window": facts.size,
        "normalizes": description.normalizes,
        "mean": list(description.mean),
        "std": list(description.std),
        "maximum": description.maximum or EIGHT_BITS,
        **_prepared(facts, steps),
        **script.values,
    }
    text = environment.get_template(f"{script.template}.py.template").render(values)
    return _tidy(text)


def _prepared(facts: NetworkFacts, steps: Sequence[Step]) -> dict[str, Any]:
    """Return what the templates know of the preparation: steps of whole images, the crop of an object, the frames of a clip."""
    own = next((step for step in steps if step["kind"] == "object"), None)
    clip = next((step for step in steps if step["kind"] in FRAMES), None)
    whole = [step for step in steps if step is not own and step is not clip]
    sized = fit_into(whole, facts.size, padded=facts.padded) if facts.size else whole
    return {"steps": sized, "crop": own, "clip": clip, "canvas": facts.size if facts.padded else None}


def _tidy(text: str) -> str:
    """Return a program with two empty lines before each function and none in it, as the templates leave more."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    kept: list[str] = []
    for line in lines:
        starts = line.startswith(("def ", "if __name__"))
        if starts or not line or line.startswith(" "):
            while kept and not kept[-1]:
                kept.pop()
        kept += ["", "", line] if starts else [line]
    return "\n".join(kept) + "\n"


def _find_name(path: Path) -> Path:
    """Return where the program goes: no file is replaced but one that was written for the same export.

    Raises:
        ConfigError: the files that it could be belong to something else.
    """
    candidates = [path.with_name(NAME), path.with_name(f"predict_{path.stem}.py")]
    for target in candidates:
        if not target.exists():
            return target
        begin = target.read_text(encoding="utf-8", errors="replace")[:BEGIN]
        if MARK in begin and f" for {path.name}." in begin:
            return target
    raise ConfigError(f"{candidates[0]} and {candidates[1]} are other files; rename one of them")
