"""Models that AI Earth published, from a local store."""

from pathlib import Path

from pet.compat.aiearth.model_zoo.store import fetch_model
from pet.compat.shared.running import show_log_lines
from petlib.errors import ConfigError

SCHEME = "aie://"


class PretrainedModel:
    """The file of a model, e.g. ``PretrainedModel("aie://LandCover/landcover_v1.6.pth").local_path``.

    It is looked for in the model store, which the environment variable ``PET_MODELS`` names: a folder, or the beginning of a URL
    (``http``, ``https`` or ``file``) from which the file is downloaded once. See :mod:`pet.compat.aiearth.model_zoo.store`.

    Args:
        uri: ``aie://<type>/<file>``.
        model_type: the type, in place of ``uri``.
        model_name: the file, in place of ``uri``.
        local_path: the file itself, if it is elsewhere; it has to exist.

    Attributes:
        local_path: path of the file.

    Raises:
        ConfigError: the URI is none.
        CheckpointError: the file is missing or has another checksum; the message says where to put it.
    """

    def __init__(
        self,
        uri: str | None = None,
        *,
        model_type: str | None = None,
        model_name: str | None = None,
        local_path: str | Path | None = None,
    ) -> None:
        show_log_lines()
        self.model_type, self.model_name = _parse(uri or f"{SCHEME}{model_type or ''}/{model_name or ''}")
        given = None if local_path is None else Path(local_path)
        self.local_path = str(fetch_model(f"{self.model_type}/{self.model_name}", given))


def _parse(uri: str) -> tuple[str, str]:
    kind, _, name = uri.removeprefix(SCHEME).partition("/")
    parts = [kind, *name.split("/")]
    if not uri.startswith(SCHEME) or "" in parts or "." in parts or ".." in parts or "\\" in uri:
        raise ConfigError(f"{uri!r} given, the URI of a model like 'aie://LandCover/landcover_v1.6.pth' expected")
    return kind, name
