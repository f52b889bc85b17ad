"""The presets of a project: the YAML files that its configs are based on."""

from importlib import resources
from pathlib import Path

from petlib.config import ConfigError
from petlib.suggest import did_you_mean

SUFFIX = ".yaml"


def list_presets(project: str) -> list[str]:
    """Return the names of the presets of a project, sorted."""
    return sorted(path.stem for path in _folder(project).glob(f"*{SUFFIX}"))


def find_preset(project: str, name: str) -> Path:
    """Return the file of a preset.

    Raises:
        ConfigError: there is none of that name.
    """
    names = list_presets(project)
    if name not in names:
        raise ConfigError(
            f"config_name: there is no preset {name!r} for {project}{did_you_mean(name, names)}; there are {', '.join(names)}"
        )
    return _folder(project) / f"{name}{SUFFIX}"


def _folder(project: str) -> Path:
    return Path(str(resources.files("pet.projects"))) / project / "presets"
