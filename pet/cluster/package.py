"""What goes along to a cluster: the code, without what is large, made by a run, or secret."""

import fnmatch
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pet.cluster.job import ClusterJob
from petlib.errors import ConfigError, OutputError
from petlib.suggest import counted

JOB_FILE = ".pet_job.json"
"""In the copy of the code: the job."""
LINKS_FILE = ".pet_links.json"
"""In the copy of the code: the folder it was copied from, and what of it is to be linked where that folder is seen."""
LIMIT_BYTES = 512 * 2**20
"""More is hardly code."""
FOLDERS = {
    "caches": (".git", ".hg", ".svn", "__pycache__", ".venv", "venv", "node_modules", ".*_cache", ".tox", "*.egg-info"),
    "secrets": (".ssh", ".aws", ".azure", ".gcloud", ".kube", ".docker", ".gnupg", ".huggingface"),
}
TOP_FOLDERS = {"data": ("data", "datasets"), "results": ("ckpts", "work_dirs", "work_dir", "workspace", "runs", "wandb", "mlruns")}
FILES = {
    "caches": ("*.pyc", ".DS_Store", ".gitignore"),
    "secrets": (
        *(
            ".env",
            ".env.*",
            "*.env",
            "*.pem",
            "*.key",
            "*.p12",
            "*.pfx",
            "*.jks",
            "*.keystore",
            "*.kdbx",
            "id_rsa*",
            "id_dsa*",
            "id_ecdsa*",
        ),
        *(
            "id_ed25519*",
            ".netrc",
            "_netrc",
            ".pypirc",
            ".npmrc",
            ".pgpass",
            ".htpasswd",
            ".git-credentials",
            ".s3cfg",
            ".boto",
            "kubeconfig",
        ),
        *("kaggle.json", "*credentials*", "*service?account*.json", "*.token", "token", "token.txt", "*_token.txt", ".vault-token"),
        *(
            "secret*.json",
            "secret*.y*ml",
            "secret*.toml",
            "secret*.txt",
            "secret*.ini",
            "*_secret*.json",
            "*_secret*.y*ml",
            "*_secret*.txt",
        ),
    ),
    "checkpoints": ("*.pth", "*.pt", "*.pt2", "*.ckpt", "*.safetensors", "*.onnx", "*.engine", "*.tflite", "*.pdparams", "*.npz"),
    "data": ("*.tar", "*.tar.*", "*.tgz", "*.zip", "*.7z", "*.rar", "*.h5", "*.hdf5", "*.lmdb", "*.mdb", "*.parquet", "*.tfrecord*"),
}
LINKED = ("data", "checkpoints")
"""What is left out and nevertheless needed: nodes that see the folder it is in find it there."""
PRIVATE_KEY = b"PRIVATE KEY-----"
MOST_BYTES_OF_A_KEY = 32768
SHOWN = 5


@dataclass(frozen=True)
class Package:
    """The files of a folder that go along.

    Attributes:
        root: the folder.
        sizes: path in the folder -> bytes.
        left_out: kind (secrets, caches, checkpoints, data, results, links) -> paths in the folder.
        more_links: what else nodes look for, see :attr:`linked`.
    """

    root: Path
    sizes: dict[str, int]
    left_out: dict[str, list[str]]
    more_links: tuple[str, ...] = ()

    def with_links(self, paths: Sequence[str]) -> "Package":
        """Return the same with more paths in the folder that nodes look for."""
        return replace(self, more_links=(*self.more_links, *paths))

    def without(self, folder: Path) -> "Package":
        """Return the same without what lies in a folder, where results are written while jobs are sent."""
        if not folder.is_relative_to(self.root):
            return self
        inside = f"{folder.relative_to(self.root)}/"
        sizes = {path: size for path, size in self.sizes.items() if not path.startswith(inside)}
        kept = {kind: [path for path in paths if not path.startswith(inside)] for kind, paths in self.left_out.items()}
        return replace(self, sizes=sizes, left_out={kind: paths for kind, paths in kept.items() if paths})

    @property
    def bytes(self) -> int:
        """The sum of all sizes."""
        return sum(self.sizes.values())

    @property
    def linked(self) -> list[str]:
        """What nodes look for where it is on this machine: folders of data, and checkpoints, paths in the folder."""
        folders = [name for name in TOP_FOLDERS["data"] if (self.root / name).is_dir()]
        files = [path for kind in LINKED for path in self.left_out.get(kind, []) if path.split("/")[0] not in folders]
        return [*self.more_links, *folders, *files]

    def describe(self) -> list[str]:
        """Return lines about the size, the largest files, and what is left out."""
        largest = sorted(self.sizes, key=lambda path: (-self.sizes[path], path))[:SHOWN]
        listed = ", ".join(f"{path} {_in_megabytes(self.sizes[path])}" for path in largest)
        lines = [f"code: {self.root}: {counted(len(self.sizes), 'file')}, {_in_megabytes(self.bytes)}; the largest: {listed or 'none'}"]
        for kind, paths in sorted(self.left_out.items()):
            more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
            lines.append(f"left out: {kind}: {', '.join(paths[:SHOWN])}{more}")
        return lines

    def check(self) -> None:
        """Refuse what no engine takes.

        Raises:
            ConfigError: it is too large.
        """
        if self.bytes > LIMIT_BYTES:
            largest = sorted(self.sizes, key=lambda path: -self.sizes[path])[:SHOWN]
            listed = ", ".join(f"{path} ({_in_megabytes(self.sizes[path])})" for path in largest)
            raise ConfigError(
                f"{self.root}: {_in_megabytes(self.bytes)} would be sent, {_in_megabytes(LIMIT_BYTES)} at most are possible; the largest "
                f"files: {listed}. Name what is not needed in .gitignore or .petignore, or move data into the folder data"
            )

    def write_code(self, job: ClusterJob, folder: Path) -> None:
        """Write the copy that nodes run, links as links, with the job and what is to be linked there.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in self.sizes:
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.root / path, target, follow_symlinks=False)
            (folder / JOB_FILE).write_text(job.to_json(), encoding="utf-8")
            (folder / LINKS_FILE).write_text(json.dumps({"root": str(self.root), "paths": self.linked}), encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{folder}: the code cannot be copied: {error}") from error


def package_folder(root: Path) -> Package:
    """Choose the files of a folder that go along: those that neither git nor ``.petignore`` leaves out.

    Raises:
        ConfigError: there is no such folder.
    """
    root = root.resolve()
    if not root.is_dir():
        raise ConfigError(f"code_dir: {root} given, a folder expected")
    sizes: dict[str, int] = {}
    left_out: dict[str, list[str]] = {}
    for path in _candidates(root):
        top = path.partition("/")[0]
        kind, what = _kind(path), path
        if kind is None and top != path and (kind := _kind_of_top_folder(root, path)):
            what = f"{top}/"
        kind = kind or _kind_by_content(root, path)
        if kind is None:
            sizes[path] = (root / path).lstat().st_size
        elif kind != "caches" and what not in left_out.setdefault(kind, [])[-1:]:
            left_out[kind].append(what)
    return Package(root, sizes, left_out)


def _candidates(root: Path) -> Iterator[str]:
    """Yield the paths of files that are not ignored, sorted."""
    listed = _listed_by_git(root)
    paths = _walked(root) if listed is None else listed
    yield from sorted(
        {path for path in paths if os.path.lexists(root / path) and (not (root / path).is_dir() or (root / path).is_symlink())}
    )


def _listed_by_git(root: Path) -> list[str] | None:
    """Return what git would have in a commit, by its own rules outside of a repository, too; None where there is no git."""
    words = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if (root / ".petignore").is_file():
        words.insert(1, f"--exclude-from={root / '.petignore'}")
    try:
        inside = subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=False)
        if inside.returncode == 0:
            names = inside.stdout
        else:
            with tempfile.TemporaryDirectory(prefix="pet-package-") as empty:
                subprocess.run(["git", "init", "--quiet", "--bare", empty], capture_output=True, check=True)
                begin = ["git", f"--git-dir={empty}", f"--work-tree={root}", "-c", "core.bare=false"]
                names = subprocess.run([*begin, *words], cwd=root, capture_output=True, check=True).stdout
        listed = [os.fsdecode(name) for name in names.split(b"\0") if name]
        return _without_petignored(root, listed)
    except (OSError, subprocess.CalledProcessError):
        return None


def _without_petignored(root: Path, paths: list[str]) -> list[str]:
    """Leave out what ``.petignore`` names and git tracks nevertheless."""
    try:
        lines = (root / ".petignore").read_text(encoding="utf-8").splitlines()
    except OSError:
        return paths
    patterns = [line.strip().strip("/") for line in lines if line.strip() and not line.startswith(("#", "!"))]

    def is_named(path: str) -> bool:
        parts = path.split("/")
        prefixes = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        return any(fnmatch.fnmatch(name, pattern) for pattern in patterns for name in (*prefixes, *parts))

    return [path for path in paths if not is_named(path)]


def _walked(root: Path) -> list[str]:
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if _kind_of_folder(name) is None]
        found += [str(Path(folder, name).relative_to(root)) for name in files]
    return _without_petignored(root, found)


def _kind(path: str) -> str | None:
    """Return why a path is left out; None: it is not."""
    *folders, name = path.split("/")
    kinds = [kind for folder in folders if (kind := _kind_of_folder(folder))]
    if kinds:
        return kinds[0]
    by_name = next((kind for kind, patterns in FILES.items() if any(fnmatch.fnmatch(name.lower(), pattern) for pattern in patterns)), None)
    if by_name == "secrets" and name.endswith((".py", ".pyi")):
        # a module that is called so is code
        by_name = None
    return by_name


def _kind_of_top_folder(root: Path, path: str) -> str | None:
    """Return why a folder of the first level stays here; modules that lie between data are code."""
    top = path.partition("/")[0]
    is_code = path.endswith((".py", ".pyi")) or _is_package(root / top)
    return None if is_code else next((kind for kind, names in TOP_FOLDERS.items() if top in names), None)


def _kind_of_folder(name: str) -> str | None:
    return next((kind for kind, patterns in FOLDERS.items() if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)), None)


def _kind_by_content(root: Path, path: str) -> str | None:
    file = root / path
    if file.is_symlink():
        # what is behind a link to another place is not part of the code
        return None if file.resolve().is_relative_to(root) else "links"
    if not file.is_file():
        return "links"
    if file.stat().st_size <= MOST_BYTES_OF_A_KEY and not path.endswith((".py", ".pyi")):
        try:
            return "secrets" if PRIVATE_KEY in file.read_bytes() else None
        except OSError:
            return "unreadable files"
    return None


def _is_package(folder: Path) -> bool:
    return (folder / "__init__.py").is_file()


def _in_megabytes(size: int) -> str:
    return f"{size / 2**20:.1f} MB" if size >= 2**20 / 10 else f"{size / 1024:.1f} kB"
