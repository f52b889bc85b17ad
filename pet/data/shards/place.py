"""Where a pack goes, a folder or a store of objects. Imports nothing slow: a place that cannot be is refused at once."""

import tempfile
from pathlib import Path

from petlib.addresses import ANY_STORE, address_of, check_address
from petlib.errors import OutputError
from petlib.files import check_folder, writing_errors
from petlib.object_store import ObjectStore

SHARD_BYTES = 256 * 10**6


class Target:
    """Where the files of a pack go. A file appears as a whole; the head is written last, so that a part of a pack is none.

    Args:
        place: a folder, or the address of one in a store.
        store: writes there.

    Raises:
        UserError: see :func:`check_place`.
    """

    def __init__(self, place: str, store: ObjectStore) -> None:
        check_place(place, store)
        self._url, self._store = address_of(place), store
        self._temporary = tempfile.TemporaryDirectory(prefix="pet-pack-") if self._url else None
        self._folder = Path(self._temporary.name if self._temporary else place)
        with writing_errors(f"write_pack.place {place}"):
            self._folder.mkdir(parents=True, exist_ok=True)

    def path_of(self, name: str) -> Path:
        """Return where a file is written; :meth:`finish` brings it to its place."""
        return self._folder / f"{name}.unfinished"

    def finish(self, name: str) -> None:
        """Bring a file that is complete to its place."""
        path = self.path_of(name)
        if self._url is None:
            path.rename(self._folder / name)
            return
        self._store.upload(path, f"{self._url.rstrip('/')}/{name}")
        path.unlink()

    def close(self) -> None:
        """Remove what was only needed on the way."""
        if self._temporary is not None:
            self._temporary.cleanup()


def check_place(place: str, store: ObjectStore) -> None:
    """Find out whether a pack can be written to a place, before its data are read; see :class:`Target`.

    Raises:
        ConfigError: it is the address of something else than a store, or has no bucket.
        OutputError: there are files already, or the folder cannot be made.
        StoreError: the store does not answer.
    """
    given = f"write_pack.place {place}"
    url = check_address(place, place="write_pack.place", expected=f"an empty folder, or {ANY_STORE}")
    folder = Path(place)
    if bool(store.list(url)) if url else folder.is_dir() and any(folder.iterdir()):
        raise OutputError(f"{given}: there are files already; a pack gets a place of its own")
    if url is None:
        check_folder(folder, given)
