"""Writes a small project that runs at once, to begin one's own with.

    pet-new --template segmentation my_project

Exit codes: 0, and 2 after a mistake, which one message reports. Imports no torch.
"""

import argparse
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from string import Template as Text
from typing import NoReturn

from pet.templates.catalog import TEMPLATES
from petlib.addresses import local_path
from petlib.errors import ConfigError, OutputError
from petlib.launch.process.tool import run_plain_tool
from petlib.suggest import did_you_mean

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def write_project(template: str, folder: Path) -> list[Path]:
    """Write the files of a template into a new folder, all or none.

    Args:
        template: a name of :data:`~pet.templates.catalog.TEMPLATES`.
        folder: the project; there is no such folder yet, or it is empty. Its name becomes that of the project.

    Returns:
        The files, relative to ``folder``.

    Raises:
        ConfigError: the template is unknown, the name cannot be used, or there is something in the folder.
        OutputError: the folder cannot be written.
    """
    if template not in TEMPLATES:
        raise ConfigError(f"--template: {template!r} given, one of {', '.join(TEMPLATES)} expected{did_you_mean(template, TEMPLATES)}")
    folder = folder.absolute()
    if not NAME.fullmatch(folder.name):
        raise ConfigError(
            f"{folder.name!r} cannot be the name of a project: a letter expected, then letters, digits, '_' or '-', e.g. my_project"
        )
    if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))):
        raise ConfigError(f"{folder}: it is there already; give the name of a new folder, or of an empty one")
    values = {"name": folder.name, **TEMPLATES[template].values}
    sources = TEMPLATES[template].sources()
    texts = {name: Text(source.read_text(encoding="utf-8")).substitute(values) for name, source in sources.items()}
    try:
        _write_at_once(folder, texts)
    except OSError as error:
        raise OutputError(f"{folder}: the project cannot be written: {error.strerror or error}; nothing was left there") from error
    return list(texts)


def _write_at_once(folder: Path, texts: dict[Path, str]) -> None:
    """Write next to the folder and rename into place."""
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        # a folder in it, since that of mkdtemp is closed to others
        for name, text in texts.items():
            path = temporary / folder.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        (temporary / folder.name).rename(folder)
    finally:
        shutil.rmtree(temporary)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "templates:\n" + "\n".join(f"  {name:15} {template.title}" for name, template in TEMPLATES.items())
    parser.add_argument("--template", required=True, metavar="NAME", help="what the network does, see below")
    parser.add_argument("project", type=local_path, help="folder of the project: a new one, or an empty one")


def _new(options: argparse.Namespace) -> int:
    files = write_project(options.template, options.project)
    print(f"{options.project}: a project of the template {options.template}")
    print("\n".join(f"  {name}" for name in files))
    print(f"What to do next:\n  cd {options.project}\n  python -m pytest\n  python train.py\n  python test.py\n  python export.py")
    print("README.md says how to go on with your own data and network.")
    return 0


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Read the command line (that of the process by default), write the project, and exit."""
    run_plain_tool(_new, description=(__doc__ or "").partition("\n")[0], add_options=_add_options, argv=argv)


if __name__ == "__main__":
    main()
