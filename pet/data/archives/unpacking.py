"""Archives become folders: all of them or none, and no more than is allowed."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pet.data.archives.archives import MOST_MEMBERS, Archive, open_archive
from pet.data.archives.members import Member, follow_links
from petlib.errors import DataError, OutputError

FREE_BYTES = 10 << 20
"""Up to this size an archive may hold any multiple of its own."""


@dataclass(frozen=True)
class Limits:
    """What keeps a small archive from filling the disk.

    Attributes:
        total_bytes: greatest number of bytes of all files together.
        ratio: greatest number of bytes of an archive's files as a multiple of its own, from 10 MiB on.
        files: greatest number of members of an archive; a million take about a gigabyte of memory.
    """

    total_bytes: int
    ratio: float
    files: int = MOST_MEMBERS


class Unpacked(NamedTuple):
    """What was unpacked: numbers of files and bytes."""

    files: int
    size: int


@dataclass(frozen=True)
class _Plan:
    """What an archive holds, by its headers."""

    archive: Path
    members: dict[PurePosixPath, Member]

    @property
    def size(self) -> int:
        return sum(member.size for member in self.members.values() if not member.is_folder)


class _Counter:
    """Counts bytes against the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._archive = Path()
        self._archive_bytes = 0
        self._written = 0
        self.total = 0

    def begin(self, archive: Path) -> None:
        """Count an archive's bytes from now on."""
        self._archive, self._archive_bytes, self._written = archive, archive.stat().st_size, 0

    def add(self, count: int) -> None:
        """Count bytes.

        Raises:
            DataError: they are too many.
        """
        self._written += count
        self.total += count
        if self.total > self._limits.total_bytes:
            raise DataError(
                f"{self._archive}: its files and those of the archives before it take more than {self._limits.total_bytes / 1e9:g} GB; "
                "nothing was unpacked. If that is right, allow more with --max-size"
            )
        if self._written > max(FREE_BYTES, self._limits.ratio * self._archive_bytes):
            raise DataError(
                f"{self._archive}: its files take more than {self._limits.ratio:g} times its {self._archive_bytes} bytes, as those of "
                "archives do that are made to fill disks; nothing was unpacked. If that is right, allow more with --max-ratio"
            )


def unpack(
    archives: Sequence[Path],
    target: Path,
    *,
    limits: Limits,
    force: bool = False,
    encoding: str | None = None,
    start: Callable[[str, int], Callable[[int], None]] | None = None,
) -> Unpacked:
    """Unpack archives into one folder, all of them or none.

    Everything is written into a temporary folder next to the target first, and moved when it is complete. Links become copies of
    the files that they point to.

    Args:
        archives: the files.
        target: the folder; made where it is missing.
        limits: of what they hold; checked on what their headers say, before anything is written, and on what is written.
        force: overwrite files of the target, and files of archives before.
        encoding: of names of zip members that are not marked as UTF-8.
        start: called with the name of an archive and its bytes when it is begun; what it returns, with each number of bytes written.

    Raises:
        DataError: an archive is damaged, leads out of the target, has too much in it, or has files that exist already.
        OutputError: the target cannot be written, or the disk is too small.
    """
    target = target.resolve()
    plans = _plan(archives, limits, encoding)
    with _writing(target):
        _check_target(plans, target, force)
        base = _make_base(target)
        _check_space(plans, base)
        counter = _Counter(limits)
        with tempfile.TemporaryDirectory(dir=base, prefix=f".{target.name}.") as temporary:
            content = Path(temporary) / "content"
            content.mkdir()
            for plan in plans:
                counter.begin(plan.archive)
                advance = start(plan.archive.name, plan.size) if start else lambda count: None
                with open_archive(plan.archive, encoding, most_members=limits.files) as archive:
                    _write_members(archive, plan, content, counter, advance)
            files = _move(content, target)
    return Unpacked(files, counter.total)


def _plan(archives: Sequence[Path], limits: Limits, encoding: str | None) -> list[_Plan]:
    plans = []
    counter = _Counter(limits)
    for path in archives:
        counter.begin(path)
        members: dict[PurePosixPath, Member] = {}
        with open_archive(path, encoding, most_members=limits.files) as archive:
            for member in archive.members():
                counter.add(0 if member.is_folder else member.size)
                # the last one of a name counts, as in a tar archive that was added to
                members[member.path] = member
        linked = [member.path for member in members.values() if member.link is not None]
        members = follow_links(path, members)
        counter.add(sum(members[place].size for place in linked))
        _check_folders(path, members)
        plans.append(_Plan(path, members))
    return plans


def _check_folders(archive: Path, members: dict[PurePosixPath, Member]) -> None:
    for path, member in members.items():
        for parent in path.parents:
            if parent in members and not members[parent].is_folder:
                raise DataError(f"{archive}: the member {member.name!r} lies in {str(parent)!r}, which is a file")


def _check_target(plans: Sequence[_Plan], target: Path, force: bool) -> None:
    """Refuse to overwrite what is there, and what another archive brings."""
    owners: dict[PurePosixPath, Path] = {}
    existing = []
    for plan in plans:
        _check_parents(plan, target)
        for path in (path for path, member in plan.members.items() if not member.is_folder):
            if path in owners and not force:
                raise DataError(f"{plan.archive}: the file {str(path)!r} is in {owners[path]} too; --force takes the later one")
            owners[path] = plan.archive
            place = target / path
            if place.is_dir():
                raise DataError(f"{plan.archive}: the file {str(path)!r} would replace the folder {place}; take another target")
            if os.path.lexists(place):
                existing.append(place)
    if existing and not force:
        more = f" and {len(existing) - 1} more files exist" if len(existing) > 1 else " exists"
        raise DataError(f"{existing[0]}{more} already; nothing was unpacked. Take another folder, or --force to overwrite")


def _check_parents(plan: _Plan, target: Path) -> None:
    """Refuse files where folders are to be."""
    folders = {parent for path in plan.members for parent in path.parents} | {path for path, item in plan.members.items() if item.is_folder}
    for folder in sorted(folders):
        place = target / folder
        if os.path.lexists(place) and not place.is_dir():
            raise DataError(f"{plan.archive}: the folder {str(folder)!r} would replace the file {place}; take another target")


def _make_base(target: Path) -> Path:
    """Return the folder where the temporary one goes: next to the target, or in it where that is another disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and target.stat().st_dev != target.parent.stat().st_dev:
        return target
    return target.parent


def _check_space(plans: Sequence[_Plan], base: Path) -> None:
    needed, free = sum(plan.size for plan in plans), shutil.disk_usage(base).free
    if needed > free:
        raise OutputError(f"{base}: {needed / 1e9:.1f} GB to be unpacked, {free / 1e9:.1f} GB free; take another disk")


def _write_members(archive: Archive, plan: _Plan, content: Path, counter: _Counter, advance: Callable[[int], None]) -> None:
    for path, member in plan.members.items():
        place = content / path
        if member.is_folder:
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            for chunk in archive.chunks(member):
                counter.add(len(chunk))
                file.write(chunk)
                advance(len(chunk))


def _move(content: Path, target: Path) -> int:
    """Move all files into the target and return their number."""
    files = 0
    target.mkdir(parents=True, exist_ok=True)
    for parent, _, names in os.walk(content):
        folder = target / Path(parent).relative_to(content)
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (Path(parent) / name).replace(folder / name)
        files += len(names)
    return files


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{error.filename or target}: cannot be written: {error.strerror or error}") from error
