"""Models that AI Earth published, from a local store."""

import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

from pet.compat.shared.running import begin_script
from pet.data.files.image_cache import user_caches
from petlib.errors import CheckpointError, ConfigError
from petlib.files import temporary_path

STORE_VARIABLE = "PET_MODELS"
CHECKSUM_SUFFIX = ".sha256"
SCHEMES = ("http", "https", "file")
TIMEOUT_SECONDS = 30.0
BLOCK = 1 << 20

logger = logging.getLogger(__name__)


def fetch_model(name: str, path: Path | None = None) -> Path:
    """Return the file of a model in the store, after a download where that is needed.

    Args:
        name: its path below the store, with ``/``.
        path: the file, if it is not in the store.

    Raises:
        CheckpointError: it is missing, cannot be had, or has another checksum.
        ConfigError: ``PET_MODELS`` is a URL of another kind.
    """
    store = os.environ.get(STORE_VARIABLE, "")
    if "://" not in store or path is not None:
        return _find(name, path or Path(store or _cache()) / name, is_given=path is not None)
    if urlsplit(store).scheme not in SCHEMES:
        raise ConfigError(f"{STORE_VARIABLE}: {store!r} given, a folder or the beginning of a URL ({', '.join(SCHEMES)}) expected")
    path = _cache() / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path.parent):
            # another process may have been faster
            if not path.exists():
                _download(f"{store.rstrip('/')}/{quote(name)}", path)
    return path


def _find(name: str, path: Path, *, is_given: bool) -> Path:
    if not path.is_file():
        place = "there is no such file" if is_given else f"the model {name} is not in the store"
        raise CheckpointError(f"{path}: {place}; {_advice(name)}")
    checksum = path.with_name(path.name + CHECKSUM_SUFFIX)
    if checksum.is_file():
        with path.open("rb") as file:
            _compare(_digest(file), _parse_checksum(checksum.read_text(encoding="utf-8"), str(checksum)), str(path))
    return path


def _advice(name: str) -> str:
    return f"put the file there by hand, or let the environment variable {STORE_VARIABLE} name the folder or URL that has {name}"


def _cache() -> Path:
    return user_caches() / "models"


def _download(url: str, path: Path) -> None:
    """Download to a temporary name, check, and rename; whatever goes wrong, nothing is left."""
    try:
        with temporary_path(path) as temporary:
            expected = _read_checksum(url + CHECKSUM_SUFFIX)
            logger.info("downloading %s to %s", url, path)
            with urlopen(url, timeout=TIMEOUT_SECONDS) as source, temporary.open("wb") as target:
                shutil.copyfileobj(source, target, BLOCK)
                length = source.headers.get("Content-Length")
            if length is not None and temporary.stat().st_size != int(length):
                raise CheckpointError(f"{url}: the connection ended after {temporary.stat().st_size} of {length} bytes; try again")
            if expected:
                with temporary.open("rb") as file:
                    _compare(_digest(file), expected, url)
    except OSError as error:
        raise CheckpointError(f"{url}: the model cannot be had: {error}; put the file there, or by hand to {path}") from error


def _read_checksum(url: str) -> str:
    """Return the checksum next to a model; empty: there is none."""
    try:
        with urlopen(url, timeout=TIMEOUT_SECONDS) as source:
            return _parse_checksum(source.read(BLOCK).decode("utf-8", "replace"), url)
    except HTTPError as error:
        if error.code != 404:
            raise
    except OSError as error:
        if not isinstance(getattr(error, "reason", error), FileNotFoundError):
            raise
    return ""


def _parse_checksum(text: str, place: str) -> str:
    word = (text.split() or [""])[0].lower()
    if len(word) != 64 or set(word) - set("0123456789abcdef"):
        raise CheckpointError(f"{place}: {word[:70]!r} is no SHA-256 checksum; 64 hexadecimal digits expected, as sha256sum writes them")
    return word


def _digest(file: IO[bytes]) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # typeshed asks for a file of the system


def _compare(found: str, expected: str, place: str) -> None:
    if found != expected:
        raise CheckpointError(
            f"{place}: the SHA-256 checksum of the file is {found}, but it is {expected} in {Path(place).name}{CHECKSUM_SUFFIX}; the file "
            "is damaged or another one: get it again"
        )


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let one process at a time download into a folder; the ranks of a run ask for the same file at once."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


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
