"""From what ``TRAIN.WEIGHTS`` says to files: those of the store, of the caches of the libraries, or of the network.

The store is the folder that the environment variable ``PET_MODELS`` names, else ``models`` in Pet's cache. Weights of a repository lie
there as ``OWNER/NAME/FILE``.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from pet.models.zoo.download import ask, download
from pet.models.zoo.table import find_model
from petlib.checkpoint.origin import UNKNOWN
from petlib.errors import CheckpointError, ConfigError
from petlib.files import user_caches

STORE_VARIABLE = "PET_MODELS"
SCHEMES = ("http", "https", "file")
HOST = "https://huggingface.co"
ENDPOINT, OFFLINE = "HF_ENDPOINT", "HF_HUB_OFFLINE"
TIMM_FILE = "model.safetensors"
TRANSFORMERS_FILES = ("config.json", "model.safetensors")
HUGGINGFACE = "huggingface/"
CHECKSUM_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.\w+$")
TORCHVISION_LICENCE = "bsd-3-clause"
SWAG = ("SWAG", "cc-by-nc-4.0")
"""In the address of the licence that some of torchvision's weights have, and what it is called."""


class WeightFile(NamedTuple):
    """A file of weights: its name, where it is published, and its SHA-256 or the beginning of it, empty where it is not known."""

    name: str
    url: str
    sha256: str = ""


class PublishedWeights(NamedTuple):
    """Published weights: their files, their licence, and where they come from.

    Attributes:
        name: for people.
        folder: of its files below the store, ``OWNER/NAME``.
        files: all that are needed.
        licence: in small letters; ``unknown`` where no one says it.
        page: where they can be had by hand.
        repository: on Hugging Face, whose cache is looked into too; empty: they lie elsewhere.
    """

    name: str
    folder: str
    files: tuple[WeightFile, ...]
    licence: str
    page: str
    repository: str = ""

    def find(self) -> list[Path] | None:
        """Return the files where all of them are on this machine."""
        found = [self._find(file) for file in self.files]
        return [path for path in found if path is not None] if all(found) else None

    def reach(self) -> str:
        """Return why the files that are not on this machine cannot be had; empty: they are here, or the server has them."""
        if self.find() is not None:
            return ""
        try:
            ask(self._url(self._lacking()[0]))
        except OSError as error:
            return _reason(error)
        return ""

    def fetch(self) -> list[Path]:
        """Return the files, after a download of those that are not on this machine.

        Raises:
            CheckpointError: they cannot be had; the message says what to put where. Or a checksum is another.
            OSError: the store cannot be written.
        """
        for file in self._lacking():
            path = writable_store() / self.folder / file.name
            try:
                download(self._url(file), path, sha256=file.sha256)
            except OSError as error:
                names = " and ".join(one.name for one in self.files)
                raise CheckpointError(
                    f"the published weights {self.name} are not on this machine and cannot be had: {_reason(error)}\n"
                    f"  on a machine with a network get {names} from {self.page}, and put {'them' if len(self.files) > 1 else 'it'} into "
                    f"{writable_store() / self.folder}"
                ) from error
        found = self.find()
        assert found is not None, "all of them were downloaded"
        return found

    def _lacking(self) -> list[WeightFile]:
        return [file for file in self.files if self._find(file) is None]

    def _find(self, file: WeightFile) -> Path | None:
        for store in {writable_store(), user_caches() / "models"}:
            if (store / self.folder / file.name).is_file():
                return store / self.folder / file.name
        return self._find_in_caches(file)

    def _find_in_caches(self, file: WeightFile) -> Path | None:
        """Return the file where one of the libraries has it already."""
        if self.repository:
            from huggingface_hub import try_to_load_from_cache  # slow to import, and only needed for weights

            cached = try_to_load_from_cache(self.repository, file.name)
            return Path(cached) if isinstance(cached, str) else None
        from torch import hub  # slow to import

        path = Path(hub.get_dir()) / "checkpoints" / file.name
        return path if path.is_file() else None

    def _url(self, file: WeightFile) -> str:
        """Return where a file is downloaded from.

        Raises:
            OSError: this machine is to use no network.
        """
        mirror = store_url()
        if mirror:
            return f"{mirror}/{quote(f'{self.folder}/{file.name}')}"
        if os.environ.get(OFFLINE, "0") not in ("", "0"):
            raise OSError(f"{OFFLINE} is set")
        return file.url


def _reason(error: OSError) -> str:
    return str(getattr(error, "reason", error)) or type(error).__name__


def store_url() -> str:
    """Return the beginning of the URL that the store has; empty: it is a folder.

    Raises:
        ConfigError: it is a URL of another kind.
    """
    store = os.environ.get(STORE_VARIABLE, "")
    if "://" not in store:
        return ""
    if urlsplit(store).scheme not in SCHEMES:
        raise ConfigError(f"{STORE_VARIABLE}: {store!r} given, a folder or the beginning of a URL ({', '.join(SCHEMES)}) expected")
    return store.rstrip("/")


def writable_store() -> Path:
    """Return the folder that downloads go to."""
    store = os.environ.get(STORE_VARIABLE, "")
    return Path(store).expanduser() if store and not store_url() else user_caches() / "models"


def repository_weights(repository: str) -> PublishedWeights:
    """Return the weights of a repository on Hugging Face that transformers reads."""
    entry = find_model(HUGGINGFACE + repository)
    return _on_hugging_face(repository, TRANSFORMERS_FILES, entry.licence if entry else UNKNOWN, dict(entry.sha256) if entry else {})


def _on_hugging_face(repository: str, names: tuple[str, ...], licence: str, checksums: dict[str, str]) -> PublishedWeights:
    host = os.environ.get(ENDPOINT, HOST).rstrip("/")
    files = tuple(WeightFile(name, f"{host}/{repository}/resolve/main/{name}", checksums.get(name, "")) for name in names)
    return PublishedWeights(repository, repository, files, licence, f"{HOST}/{repository}/tree/main", repository)


def timm_weights(name: str) -> PublishedWeights:
    """Return the weights that timm publishes for a network: those of the tag in its name, else its default ones.

    Raises:
        CheckpointError: there are none.
    """
    import timm  # slow to import, and only needed for its weights

    published = timm.get_pretrained_cfg(name)
    if published is None or not (published.hf_hub_id or published.url):
        raise CheckpointError(
            f"timm publishes no weights for {name}; take another network, give a file, or leave it empty for random weights"
        )
    entry = find_model(f"timm/{name}")
    licence, checksums = (published.license or UNKNOWN).lower(), dict(entry.sha256) if entry else {}
    if published.hf_hub_id:
        return _on_hugging_face(published.hf_hub_id, (published.hf_hub_filename or TIMM_FILE,), licence, checksums)
    return _at_url(f"timm/{name}", "timm", str(published.url), licence)


def torchvision_weights(name: str) -> PublishedWeights:
    """Return the weights that torchvision publishes for one of its networks: its default ones.

    Raises:
        CheckpointError: there are none.
    """
    from torchvision import models  # slow to import, and only needed for its weights

    try:
        published = models.get_model_weights(name).DEFAULT
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"torchvision publishes no weights for {name}; give a file, or leave it empty for random weights") from error
    word, licence = SWAG
    return _at_url(
        f"torchvision/{name}", "torchvision", published.url, licence if word in published.meta.get("license", "") else TORCHVISION_LICENCE
    )


def _at_url(name: str, folder: str, url: str, licence: str) -> PublishedWeights:
    file = url.rpartition("/")[2]
    checksum = CHECKSUM_IN_NAME.search(file)
    return PublishedWeights(name, folder, (WeightFile(file, url, checksum[1] if checksum else ""),), licence, url)
