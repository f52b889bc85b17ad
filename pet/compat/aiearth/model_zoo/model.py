"""Models that AI Earth published, from a local store."""

from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

from pet.compat.shared.running import begin_script
from pet.models.zoo.download import SECONDS_OF_SILENCE, SHA256_DIGITS, checksum_of, download
from pet.models.zoo.sources import STORE_VARIABLE, store_url, writable_store
from petlib.errors import CheckpointError, ConfigError

CHECKSUM_SUFFIX = ".sha256"
LONGEST_CHECKSUM_FILE = 1 << 20


def fetch_model(name: str, path: Path | None = None) -> Path:
    """Return the file of a model in the store, after a download where that is needed.

    Args:
        name: its path below the store, with ``/``.
        path: the file, if it is not in the store.

    Raises:
        CheckpointError: it is missing, cannot be had, or has another checksum.
        ConfigError: ``PET_MODELS`` is a URL of another kind.
    """
    store = store_url()
    if not store or path is not None:
        return _find(name, path or writable_store() / name, is_given=path is not None)
    path = writable_store() / name
    if not path.exists():
        url = f"{store}/{quote(name)}"
        try:
            download(url, path, sha256=_read_checksum(url + CHECKSUM_SUFFIX))
        except OSError as error:
            raise CheckpointError(f"{url}: the model cannot be had: {error}; put the file there, or by hand to {path}") from error
    return path


def _find(name: str, path: Path, *, is_given: bool) -> Path:
    if not path.is_file():
        place = "there is no such file" if is_given else f"the model {name} is not in the store"
        raise CheckpointError(f"{path}: {place}; {_advice(name)}")
    checksum = path.with_name(path.name + CHECKSUM_SUFFIX)
    if checksum.is_file():
        expected, found = _parse_checksum(checksum.read_text(encoding="utf-8"), str(checksum)), checksum_of(path)
        if found != expected:
            raise CheckpointError(
                f"{path}: the SHA-256 checksum of the file is {found}, but it is {expected} in {checksum.name}; the file is damaged or "
                "another one: get it again"
            )
    return path


def _advice(name: str) -> str:
    return f"put the file there by hand, or let the environment variable {STORE_VARIABLE} name the folder or URL that has {name}"


def _read_checksum(url: str) -> str:
    """Return the checksum next to a model; empty: there is none."""
    try:
        with urlopen(url, timeout=SECONDS_OF_SILENCE) as source:
            return _parse_checksum(source.read(LONGEST_CHECKSUM_FILE).decode("utf-8", "replace"), url)
    except HTTPError as error:
        if error.code != 404:
            raise
    except OSError as error:
        if not isinstance(getattr(error, "reason", error), FileNotFoundError):
            raise
    return ""


def _parse_checksum(text: str, place: str) -> str:
    word = (text.split() or [""])[0].lower()
    if len(word) != SHA256_DIGITS or set(word) - set("0123456789abcdef"):
        raise CheckpointError(f"{place}: {word[:70]!r} is no SHA-256 checksum; 64 hexadecimal digits expected, as sha256sum writes them")
    return word


SCHEME = "aie://"


class PretrainedModel:
    """The file of a model, e.g. ``PretrainedModel("aie://LandCover/landcover_v1.6.pth").local_path``.

    It is looked for in the model store, which the environment variable ``PET_MODELS`` names: a folder, or the beginning of a URL
    (``http``, ``https`` or ``file``) from which the file is downloaded once. See :mod:`pet.compat.aiearth.model_zoo.model`.

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
        begin_script()
        self.model_type, self.model_name = _parse(uri or f"{SCHEME}{model_type or ''}/{model_name or ''}")
        given = None if local_path is None else Path(local_path)
        self.local_path = str(fetch_model(f"{self.model_type}/{self.model_name}", given))


def _parse(uri: str) -> tuple[str, str]:
    kind, _, name = uri.removeprefix(SCHEME).partition("/")
    parts = [kind, *name.split("/")]
    if not uri.startswith(SCHEME) or "" in parts or "." in parts or ".." in parts or "\\" in uri:
        raise ConfigError(f"{uri!r} given, the URI of a model like 'aie://LandCover/landcover_v1.6.pth' expected")
    return kind, name
