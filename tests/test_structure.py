"""The house rules that a machine can check: imports go one way, nothing slow is imported early, files stay small."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pet.data.targets.kinds import KINDS

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for folder in ("lib", "pet", "tools") for path in (ROOT / folder).rglob("*.py*") if path.suffix in (".py", ".pyi"))

# from the lowest floor to the highest; a module imports only from its own floor's package or from lower floors
PETLIB_FLOORS = [
    {"errors", "suggest", "addresses", "files", "plain_pickles", "run_lock", "user_code", "object_store", "object_store_process"},
    {"registry", "log"},
    {"config"},
    {"arguments", "distributed", "launch"},
    {"data", "solver", "checkpoint", "events", "analyser", "trackers"},
    {"engine"},
]
PET_FLOORS = [
    {"losses", "metrics", "visual", "structures", "tracking"},
    {"data", "models"},
    {"evaluation", "exporting", "prediction", "report"},
    {"config"},
    {"task"},
    {"segmentation", "vision"},
    {"tasks", "projects"},
    {"autoconfig", "cluster", "search"},
    {"compat", "templates", "api"},
    {"commands"},
    {"cli"},
]


@cache
def tree_of(source: str) -> ast.Module:
    """Parse a source once for all rules; one worker has all tests of this file."""
    return ast.parse(source)


@cache
def nodes_of(source: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree_of(source)))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] == "lib" else parts
    return ".".join(part for part in parts if part != "__init__")


def imports_of(path: Path) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the absolute names that a file imports; ``from a import b`` gives ``a.b``."""
    package = module_of(path).split(".")
    if path.stem != "__init__":
        package = package[:-1]
    for node in nodes_of(path.read_text(encoding="utf-8")):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((f"{prefix}.{alias.name}", node) for alias in node.names)


def floor(module: str) -> tuple[int, str]:
    """Return how high a module is, and the family of which only members may import each other there."""
    top, *rest = module.split(".")
    if top == "petlib":
        part = rest[0] if rest else ""
        level = next((index for index, names in enumerate(PETLIB_FLOORS) if part in names), -1)
        return level, part
    if top == "pet":
        part = rest[0] if rest else ""
        level = next((index for index, names in enumerate(PET_FLOORS) if part in names), -1)
        family = ".".join(rest[:2]) if part in ("tasks", "projects") else part
        return (100 + level if level >= 0 else 99), family
    return 1000, top


def violation(importer: str, imported: str) -> str:
    """Return what is wrong with one import of our own code, or an empty string."""
    (from_level, from_family), (to_level, to_family) = floor(importer), floor(imported)
    if imported in ("petlib", "pet") or importer in ("petlib", "pet") or from_family == to_family:
        return ""
    if to_level > from_level:
        return f"{importer} imports upwards from {imported}"
    if to_level == from_level and from_level >= 105:
        return f"{importer} imports its sibling {imported}"
    return ""


def our_imports(path: Path) -> list[str]:
    return [name for name, _ in imports_of(path) if name.split(".")[0] in ("petlib", "pet", "tools")]


def test_imports_go_one_way() -> None:
    wrong = [problem for path in SOURCES for name in our_imports(path) if (problem := violation(module_of(path), name))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("importer", "imported", "is_wrong"),
    [
        ("petlib.engine.loop", "pet.vision.model", True),
        ("petlib.data.loader", "petlib.engine.loop", True),
        ("petlib.engine.loop", "petlib.data.loader", False),
        ("pet.data.files.images", "pet.vision.model", True),
        ("pet.vision.model", "pet.tasks.cls.model", True),
        ("pet.tasks.cls.model", "pet.tasks.face.model", True),
        ("pet.tasks.cls.model", "pet.tasks.cls.config", False),
        ("pet.models.config", "tools.vision.train_net", True),
        ("pet.vision.model", "pet.models.cifar_resnet", False),
    ],
)
def test_the_rule_finds_what_it_should(importer: str, imported: str, is_wrong: bool) -> None:
    assert bool(violation(importer, imported)) == is_wrong


def calls_of(path: Path) -> set[str]:
    """Return the last part of the name of everything that a file calls."""
    functions = [node.func for node in nodes_of(path.read_text(encoding="utf-8")) if isinstance(node, ast.Call)]
    return {function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "") for function in functions}


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("TrainLoader", "petlib.data.build"),
        ("EvaluationLoader", "petlib.data.build"),
        ("TrainState", "petlib.engine.build"),
    ],
)
def test_loaders_and_states_are_made_in_one_place(name: str, owner: str) -> None:
    """One place reads all of their settings, so that no task leaves one out."""
    assert [module_of(path) for path in SOURCES if path.suffix == ".py" and name in calls_of(path)] == [owner]


def test_petlib_knows_no_vision() -> None:
    vision = {"cv2", "PIL", "torchvision", "timm", "pycocotools", "sklearn", "matplotlib", "pet"}
    wrong = [
        f"{module_of(path)} imports {name}"
        for path in SOURCES
        if module_of(path).startswith("petlib")
        for name, _ in imports_of(path)
        if name.split(".")[0] in vision
    ]
    assert not wrong, "\n".join(wrong)


def test_our_own_code_is_imported_at_the_top() -> None:
    wrong = []
    for path in SOURCES:
        top = set(tree_of(path.read_text(encoding="utf-8")).body)
        lines = {node.lineno for node in top}
        for name, node in imports_of(path):
            if name.split(".")[0] in ("petlib", "pet") and node.lineno not in lines and module_of(path).split(".")[0] != "tools":
                wrong.append(f"{module_of(path)}:{node.lineno} imports {name} inside a function or branch")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "module",
    [
        "petlib.config",
        "petlib.launch",
        "petlib.log",
        "pet.cli",
        "pet.task",
        "pet.commands",
        "pet.commands.jobs",
        "pet.vision.config",
        "pet.tasks.cls.config",
        "pet.tasks.instance.config",
    ],
)
def test_what_runs_before_a_config_is_checked_imports_no_torch(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'torch', 'torchvision', 'timm', 'cv2', 'numpy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180, check=True)
    assert done.stdout.strip() == "[]"


KIND_NAMES = frozenset(KINDS.names())
ROOM_OF_KINDS = "pet.data.targets"


def comparisons_with_kinds(source: str) -> list[int]:
    """Return the lines in which the name of a kind is compared: ``kind == "boxes"``, ``"boxes" in sample``, ``kind in ("boxes",)``."""

    def names(node: ast.expr) -> bool:
        parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
        return any(isinstance(part, ast.Constant) and part.value in KIND_NAMES for part in parts)

    comparisons = [node for node in nodes_of(source) if isinstance(node, ast.Compare)]
    cases = [node for node in nodes_of(source) if isinstance(node, ast.MatchValue)]
    return sorted(
        [node.lineno for node in comparisons if any(map(names, (node.left, *node.comparators)))]
        + [node.lineno for node in cases if names(node.value)]
    )


def test_only_kinds_compare_the_names_of_kinds() -> None:
    wrong = [
        f"{module_of(path)}:{line}"
        for path in SOURCES
        if not module_of(path).startswith(ROOM_OF_KINDS)
        for line in comparisons_with_kinds(path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "give the kind a method instead: " + ", ".join(wrong)


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ('"boxes" in sample', True),
        ('kind != "semseg"', True),
        ('kinds == ("label",)', True),
        ("match kind:\n    case 'masks':\n        pass", True),
        ('sample["boxes"]', False),
        ('sample.get("semseg") is None', False),
        ('"logits" in predictions', False),
    ],
)
def test_the_rule_finds_comparisons_with_kinds(source: str, is_found: bool) -> None:
    assert bool(comparisons_with_kinds(source)) == is_found


# the folders that keep to the glossary of CONTRIBUTING.md, and its words on the right
FOLDERS_OF_THE_GLOSSARY = ("lib", "pet", "tools", "tests/petlib", "tests/pet", "tests/integration", "tests/faults")
# names of the classes of public data sets, and of the methods of a library, are as their owners give them: a door is a door
NAMES_OF_OTHERS = {ROOT / "pet/data/datasets/ade20k_classes.py", ROOT / "pet/search/study.py"}
REFUSED_WORDS = re.compile(
    r"\b(told|tells?|stands?|stood|wish(es|ed)?|made\s+up|mend(s|ed)?|beside|put\s+up\s+with|alike|nobody|somebody|doors?)\b", re.IGNORECASE
)


def refused_words(source: str) -> list[str]:
    """Return the words that the glossary refuses, in names, strings, comments and docstrings, each with its line: ``3: told``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", source).replace("_", " ")
    return [f"{words.count(chr(10), 0, match.start()) + 1}: {match[0]}" for match in REFUSED_WORDS.finditer(words)]


@pytest.mark.parametrize("folder", FOLDERS_OF_THE_GLOSSARY)
def test_words_are_those_of_the_glossary(folder: str) -> None:
    paths = sorted(path for path in set((ROOT / folder).rglob("*.py*")) - NAMES_OF_OTHERS if path.suffix in (".py", ".pyi"))
    assert paths
    wrong = [f"{path.relative_to(ROOT)}:{word}" for path in paths for word in refused_words(path.read_text(encoding="utf-8"))]
    assert not wrong, "the glossary of CONTRIBUTING.md has a word for it: " + ", ".join(wrong)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x = 1\nis_told = True", ["2: told"]),
        ("class TellsLate: ...", ["1: Tells"]),
        ("# Nobody reads it", ["1: Nobody"]),
        ('"""What stands\nbeside it."""', ["1: stands", "2: beside"]),
        ('raise ValueError("Mend it")', ["1: Mend"]),
        ("# errors are put up\nwith", ["1: put up\nwith"]),
        ("made_up = 0", ["1: made up"]),
        ("standard, understand, recommended, foretell = intelligent, indoors, amended, besides", []),
    ],
)
def test_the_rule_finds_refused_words(source: str, found: list[str]) -> None:
    assert refused_words(source) == found


# compatibility layers translate settings, autoconfig writes them, jobs say where results go, commands describe their options by
# them, the Python API sets them
FOLDERS_BELOW_THE_CONFIG = [
    "lib/petlib",
    *(
        f"pet/{path.name}"
        for path in (ROOT / "pet").iterdir()
        if path.is_dir() and path.name not in ("api", "autoconfig", "cluster", "compat", "commands", "search", "templates", "__pycache__")
    ),
]
DOTTED_KEY = re.compile(r"\b[A-Z][A-Z0-9_]+(?:\.[A-Z][A-Z0-9_]+)+\b")
TYPES_OF_CONFIGS = re.compile(r"\b(CfgNode|\w*Config|Schema|Switch)\b")


def keys_below_the_config(source: str) -> list[str]:
    """Return the keys of configs in texts of functions and classes that have no config, docstrings aside: ``3: MISC.SEED``."""

    def knows_configs(node: ast.AST) -> bool:
        functions = [part for part in ast.walk(node) if isinstance(part, ast.FunctionDef)]
        types = [
            annotation
            for part in functions
            for annotation in (part.returns, *(argument.annotation for argument in ast.walk(part.args) if isinstance(argument, ast.arg)))
        ]
        return any(TYPES_OF_CONFIGS.search(ast.unparse(annotation)) for annotation in types if annotation is not None)

    tree, found = tree_of(source), []
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or knows_configs(node):
            continue
        docstrings = {id(part.value) for part in ast.walk(node) if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)}
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and id(part) not in docstrings:
                found += [f"{part.lineno}: {key}" for key in DOTTED_KEY.findall(part.value)]
    return found


@pytest.mark.parametrize("folder", FOLDERS_BELOW_THE_CONFIG)
def test_code_speaks_of_its_arguments_and_only_the_config_layer_of_keys(folder: str) -> None:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    wrong = [f"{path.relative_to(ROOT)}:{key}" for path in paths for key in keys_below_the_config(path.read_text(encoding="utf-8"))]
    assert not wrong, "name the argument, and add it to the Key as one of its `arguments`: " + ", ".join(wrong)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f(x: int):\n    raise ValueError(f'MISC.SEED: {x}')", ["2: MISC.SEED"]),
        ("class A:\n    def f(self):\n        return 'see TRAIN.MIXUP.ALPHA'", ["3: TRAIN.MIXUP.ALPHA"]),
        ("def f(cfg: VisionConfig):\n    return 'MISC.SEED'", []),
        ("def f() -> Schema:\n    return {'A': Switch('MISC.SEED')}", []),
        ("def f():\n    '''Reads MISC.SEED.'''\n    return 'README.md and CIFAR-10'", []),
        ("KEYS = {'seed': 'MISC.SEED'}", []),
    ],
)
def test_the_rule_finds_keys_below_the_config(source: str, found: list[str]) -> None:
    assert keys_below_the_config(source) == found


def test_files_stay_small() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in SOURCES}
    # a program wrote those, from schemas that are small
    own = {path: text for path, text in texts.items() if not text.startswith("# Written by tools/")}
    assert len(own) > 0.9 * len(texts)
    long = {str(path.relative_to(ROOT)): count for path, text in own.items() if (count := len(text.splitlines())) > 400}
    assert not long


MOST_METHODS, MOST_LINES = 15, 60


def large_parts(source: str) -> list[str]:
    """Return the functions of too many lines, and the classes with too many public methods, each with its number."""
    found = []
    for node in nodes_of(source):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            found += [f"{node.name}: {lines} lines"] if lines > MOST_LINES else []
        if isinstance(node, ast.ClassDef):
            methods = {part.name for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)}
            public = [name for name in methods if not name.startswith("_")]
            found += [f"{node.name}: {len(public)} public methods"] if len(public) > MOST_METHODS else []
    return found


def test_functions_and_classes_stay_small() -> None:
    wrong = [
        f"{module_of(path)}: {part}" for path in SOURCES if path.suffix == ".py" for part in large_parts(path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f():\n" + "    x = 1\n" * 59, []),
        ("class A:\n    def f():\n" + "        x = 1\n" * 60, ["f: 61 lines"]),
        ("class A:\n" + "".join(f"    def f{number}(self): ...\n    def _f{number}(self): ...\n" for number in range(15)), []),
        ("class A:\n" + "".join(f"    async def f{number}(self): ...\n" for number in range(16)), ["A: 16 public methods"]),
    ],
)
def test_the_rule_finds_large_functions_and_classes(source: str, found: list[str]) -> None:
    assert large_parts(source) == found


def test_every_source_file_is_typed_and_shipped() -> None:
    for package in ("lib/petlib", "pet"):
        assert (ROOT / package / "py.typed").exists()
        folders = {path.parent for path in SOURCES if (ROOT / package) in path.parents}
        assert all((folder / "__init__.py").exists() for folder in folders), "a folder without __init__.py is left out of the wheel"
