"""A config as a dictionary whose entries are attributes too, under antgo's name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pet.compat.shared.absent import refuse_absent
from petlib.config.nested import read_nested

BUILD = "MODELS.build(dict(type=...)) of framework.helper.models.builder, DATASETS and PIPELINES of framework.helper.dataset.builder"
ABSENT = {
    "DictAction": "a config takes changes by Config.merge_from_dict({'optimizer.lr': 0.1})",
    "build_from_cfg": BUILD,
    "Registry": "MODELS, HEADS, DATASETS, PIPELINES and MEASURES are those that Trainer looks into",
    "get_git_hash": "a run writes its versions into its log and its checkpoints",
    "collect_env": "python -m torch.utils.collect_env prints it",
}
__getattr__ = refuse_absent(__name__, ABSENT)


class Config(dict[str, Any]):
    """A config for Trainer, Tester and Exporter, to read and to change.

    ``cfg.optimizer.lr`` and ``cfg["optimizer"]["lr"]`` are the same entry.

    Args:
        content: the entries; dictionaries among them, in lists too, become configs.
    """

    def __init__(self, content: Mapping[str, Any] | None = None) -> None:
        super().__init__({key: _wrapped(value) for key, value in (content or {}).items()})

    @classmethod
    def fromfile(cls, filename: str | Path) -> "Config":
        """Return the config in a file of Python's notation or YAML, which is read as data, with those that ``_base_`` names.

        Raises:
            ConfigError: the file cannot be read.
        """
        return cls(read_nested(Path(filename)).to_dict())

    def merge_from_dict(self, options: Mapping[str, Any]) -> None:
        """Set entries by their dotted names, ``{"data.train.type": "COCO2017"}``; missing ones are made, in a list a name is a place."""
        for name, value in options.items():
            *way, last = name.split(".")
            node: Any = self
            for part in way:
                node = node[int(part)] if isinstance(node, list) else node.setdefault(part, Config())
            node[int(last) if isinstance(node, list) else last] = _wrapped(value)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the config has no entry {name!r}; there are {', '.join(map(str, self))}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = _wrapped(value)


def _wrapped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Config(value)
    return [_wrapped(item) for item in value] if isinstance(value, list) else value
