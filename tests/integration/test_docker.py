"""The Docker files name what exists. No engine and no network is needed, and nothing is installed."""

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import pet

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
README = (DOCKER / "README.md").read_text(encoding="utf-8")
FILES = ["Dockerfile", "Dockerfile.example"]

INSTRUCTIONS = {
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "RUN",
    "SHELL",
    "USER",
    "WORKDIR",
}
SECRET = re.compile(
    r"(pass(word|wd)?|secret|token|api_?key|credential|private_?key)\w*\s*=|BEGIN [A-Z ]*PRIVATE KEY|://[^/\s:@]+:[^/\s@]+@", re.I
)
PIP_FLAGS = {"--force-reinstall", "--no-deps", "--index-url"}


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Docker file and what follows them, continued lines joined and comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest.strip()) for word, _, rest in (line.strip().partition(" ") for line in joined.splitlines() if line.strip())]


def lint(text: str, documented: str = "") -> list[str]:
    """Return what is wrong with a Docker file of the source tree; ``documented`` names in backticks what a user brings."""
    steps = instructions(text)
    problems = [f"unknown instruction {word}" for word, _ in steps if word not in INSTRUCTIONS]
    problems += [f"a secret in {word} {rest}" for word, rest in steps if SECRET.search(rest)]
    froms = [rest for word, rest in steps if word == "FROM"]
    if not froms or steps[0][0] not in ("ARG", "FROM"):
        problems.append("FROM must come first")
    defaults = dict(rest.split("=", 1) for word, rest in steps if word == "ARG" and "=" in rest)
    problems += [problem for image in froms for problem in image_problems(expand(image, defaults))]
    copied: list[str] = []
    for word, rest in steps:
        if word in ("ENTRYPOINT", "CMD"):
            problems += exec_form_problems(word, rest)
        elif word in ("COPY", "ADD"):
            *sources, target = shlex.split(rest)
            missing = [source for source in sources if not [*ROOT.glob(source)] and f"`{source}`" not in documented]
            problems += [f"{word}: there is no {source}" for source in missing]
            copied += [f"{target.rstrip('/')}/{Path(source).name}" for source in sources]
        elif word == "RUN":
            commands = [shlex.split(command) for command in expand(rest, defaults).split("&&")]
            problems += [problem for command in commands for problem in command_problems(command, copied)]
    return problems


def expand(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda match: values.get(match[1], match[0]), text)


def image_problems(image: str) -> Iterator[str]:
    name, _, tag = image.rpartition("/")[2].partition(":")
    if not tag and "@sha256:" not in image:
        yield f"FROM {image}: no tag"
    if tag == "latest":
        yield f"FROM {image}: the tag latest means something else tomorrow"
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        yield f"FROM {image}: not the name of an image"


def exec_form_problems(word: str, rest: str) -> Iterator[str]:
    try:
        words = json.loads(rest)
    except json.JSONDecodeError:
        words = None
    if not isinstance(words, list) or not words or not all(isinstance(item, str) for item in words):
        yield f"{word} {rest}: not a list of words, so a shell would keep the signals of docker stop from the program"


def command_problems(words: list[str], copied: list[str]) -> Iterator[str]:
    """Yield what is wrong with a shell command of a RUN step."""
    match words:
        case ["apt-get", "update"] | ["rm", "-rf", "/var/lib/apt/lists/*" | "build"] | ["python", "-m", "pip", "check"]:
            return
        case ["apt-get", "install", *rest]:
            yield from (f"apt-get install without {flag}" for flag in ("-y", "--no-install-recommends") if flag not in rest)
        case ["python", "-m", "pip", "install", *rest]:
            yield from pip_problems(rest, copied)
        case _:
            yield f"RUN {' '.join(words)}: no command that this test knows"


def pip_problems(words: list[str], copied: list[str]) -> Iterator[str]:
    required, extras = declared()
    words = list(words)
    while words:
        word = words.pop(0)
        if word.startswith("-"):
            if word not in PIP_FLAGS:
                yield f"pip install {word}: no option that this test knows"
            if word == "--index-url" and not words.pop(0).startswith("https://"):
                yield "pip install --index-url: not https"
        elif word.startswith("/"):
            if word not in copied:
                yield f"pip install {word}: nothing is copied there"
        elif match := re.fullmatch(r"\.(?:\[(.+)\])?", word):
            yield from (f"setup.py has no extra {extra}" for extra in (match[1] or "").split(",") if extra and extra not in extras)
        elif word not in required:
            yield f"pip install {word}: setup.py does not ask for it"


def declared() -> tuple[list[str], set[str]]:
    """Return the requirements and the names of the extras in setup.py."""
    module = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    (required,) = (node.value for node in module.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "REQUIRED")
    (extras,) = (node.value for node in ast.walk(module) if isinstance(node, ast.keyword) and node.arg == "extras_require")
    assert isinstance(extras, ast.Dict)
    return ast.literal_eval(required), {ast.literal_eval(key) for key in extras.keys if key is not None}


@pytest.mark.parametrize("name", FILES)
def test_the_files_name_what_exists(name: str) -> None:
    assert lint((DOCKER / name).read_text(encoding="utf-8"), README) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("FROM a:1\nCOPPY lib lib", "unknown instruction COPPY"),
        ("RUN apt-get update", "FROM must come first"),
        ("FROM python", "FROM python: no tag"),
        ("ARG IMAGE=x/python:latest\nFROM ${IMAGE}", "FROM x/python:latest: the tag latest means something else tomorrow"),
        ("FROM ${NOTHING}:1", "FROM ${NOTHING}:1: not the name of an image"),
        ("FROM a:1\nCOPY lib nothere /x/", "COPY: there is no nothere"),
        ('FROM a:1\nENTRYPOINT ["python3", train.py]', 'ENTRYPOINT ["python3", train.py]: not a list of words'),
        ("FROM a:1\nENTRYPOINT python3 train.py", "ENTRYPOINT python3 train.py: not a list of words"),
        ("FROM a:1\nENV API_KEY=abc", "a secret in ENV API_KEY=abc"),
        ("FROM a:1\nARG GIT_TOKEN=", "a secret in ARG GIT_TOKEN="),
        ("FROM a:1\nRUN python -m pip install https://me:word@host/x", "a secret in RUN"),
        ("FROM a:1\nRUN python -m pip install .[exprt]", "setup.py has no extra exprt"),
        ("FROM a:1\nRUN python -m pip install 'torch>=1'", "pip install torch>=1: setup.py does not ask for it"),
        ("FROM a:1\nCOPY setup.py /x/\nRUN python -m pip install /y/setup.py", "pip install /y/setup.py: nothing is copied there"),
        ("FROM a:1\nRUN apt-get update \\\n  # why\n  && apt-get install g++", "apt-get install without -y"),
        ("FROM a:1\nRUN curl x | sh", "RUN curl x | sh: no command that this test knows"),
    ],
)
def test_the_lint_finds_what_it_should(text: str, problem: str) -> None:
    assert any(found.startswith(problem) for found in lint(text)), lint(text)


def test_what_the_base_image_copies_is_enough_for_setup_py() -> None:
    steps = instructions((DOCKER / "Dockerfile").read_text(encoding="utf-8"))
    install = next(index for index, (word, rest) in enumerate(steps) if word == "RUN" and '".[' in rest)
    before = {source for word, rest in steps[:install] if word == "COPY" for source in shlex.split(rest)[:-1]}
    named = {ast.unparse(node).split("'")[1] for node in ast.walk(ast.parse((ROOT / "setup.py").read_text())) if is_path_below_root(node)}
    assert named == {"pet", "README.md"}
    assert before >= named | {"setup.py", "pyproject.toml", "lib", "LICENSE"}


def is_path_below_root(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and ast.unparse(node.left) == "ROOT"


def test_the_example_is_that_of_the_document_on_the_base_of_this_version() -> None:
    steps = instructions((DOCKER / "Dockerfile.example").read_text(encoding="utf-8"))
    assert [word for word, _ in steps] == ["FROM", "COPY", "COPY", "RUN", "WORKDIR", "ENTRYPOINT"]
    assert steps[0][1] == f"pet-base:{pet.__version__}"
    assert steps[1] == ("COPY", "codes /home/train")
    assert steps[-2:] == [("WORKDIR", "/home/train"), ("ENTRYPOINT", '["python3", "train.py"]')]


def test_the_page_builds_and_runs_these_files() -> None:
    commands = [shlex.split(line) for line in README.splitlines() if line.startswith("    ") and line.split()[0] in ("docker", "python3")]
    builds = [words for words in commands if words[:2] == ["docker", "build"]]
    base, cpu, own = ({"file": words[words.index("-f") + 1], "tag": words[words.index("-t") + 1]} for words in builds)
    assert base == cpu == {"file": "docker/Dockerfile", "tag": f"pet-base:{pet.__version__}"}
    assert own["file"] == "Dockerfile"
    names = {rest.split("=")[0] for word, rest in instructions((DOCKER / "Dockerfile").read_text()) if word == "ARG"}
    given = [words[words.index("--build-arg") + 1].split("=")[0] for words in builds if "--build-arg" in words]
    assert given and names.issuperset(given)
    runs = [words for words in commands if words[:2] == ["docker", "run"]]
    assert [next(word for word in words if word in (base["tag"], own["tag"])) for words in runs] == [base["tag"], own["tag"]]
    assert runs[1][runs[1].index(own["tag"]) + 1 :] == ["--config-file", "/mnt/config/train.py", "--num-gpus", "1"]
    assert (ROOT / runs[0][-1]).is_file()


def test_nothing_that_stays_here_is_sent_to_the_engine() -> None:
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").split("\n")
    assert {".git", ".venv*", "**/__pycache__", "data", "ckpts"} <= set(ignored)
    steps = instructions((DOCKER / "Dockerfile").read_text(encoding="utf-8"))
    copied = {source for word, rest in steps if word == "COPY" for source in shlex.split(rest)[:-1]}
    assert not copied & set(ignored)
    assert "." not in copied
