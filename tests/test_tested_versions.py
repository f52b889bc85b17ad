"""The file of tested versions, what installs with it, and the script that tests other ones."""

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
TESTED = ROOT / "constraints" / "tested.txt"
PYTHONS = ["3.11", "3.12", "3.13"]
FREE = {"torch", "torchvision"}
MATRIX = ROOT / "tools" / "ci" / "matrix.sh"

# replaces an interpreter: makes an environment whose python writes down what it is asked for
INTERPRETER = r"""#!/bin/sh
mkdir -p "$3/bin"
cat >"$3/bin/python" <<'END'
#!/bin/sh
echo "$@" >>"$0.asked"
case "$*" in
    *pytest*) printf 'a line\n%s\n' "$ANSWER"; exit "${CODE:-0}" ;;
    *pip*) exit "${PIP_CODE:-0}" ;;
    *) echo Python 3.99.1 torch 2.11.0 torchvision 0.26.0 ;;
esac
END
chmod +x "$3/bin/python"
"""


def requirements() -> list[Requirement]:
    """Return all that setup.py asks for, with every extra."""
    module = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    lists = [node.value for node in module.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)]
    texts = [item.value for values in lists for item in values.elts if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    found = [Requirement(text) for text in texts]
    assert {"torch", "numpy", "scikit-learn", "onnx", "rasterio", "setuptools"} <= {requirement.name for requirement in found}
    return found


def versions_of(python: str) -> dict[str, str]:
    """Return the tested versions of a Python by the names of the packages."""
    lines = [Requirement(line) for line in TESTED.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    found = [line for line in lines if line.marker is None or line.marker.evaluate({"python_version": python})]
    versions = {}
    for line in found:
        assert canonicalize_name(line.name) not in versions, f"{line.name} has two versions for Python {python}"
        (specifier,) = line.specifier
        assert specifier.operator == "==", f"{line} names no single version"
        versions[canonicalize_name(line.name)] = specifier.version
    return versions


@pytest.mark.parametrize("python", PYTHONS)
def test_each_package_has_one_tested_version_but_torch_is_free(python: str) -> None:
    versions = versions_of(python)
    for requirement in requirements():
        name = canonicalize_name(requirement.name)
        if name in FREE:
            assert name not in versions
        else:
            assert name in versions, f"constraints/tested.txt lacks {name} for Python {python}"
            assert requirement.specifier.contains(versions[name]), f"{name} {versions[name]}: setup.py asks for {requirement}"
    assert not [name for name in versions if name.startswith(("nvidia-", "cuda-", "triton"))], "each torch asks for its own"


def test_the_file_is_written_from_environments() -> None:
    constraints = runpy.run_path(str(ROOT / "tools" / "ci" / "write_constraints.py"))["constraints"]
    old = {"numpy": "2.4.10", "pip": "24.0", "setuptools": "81.0.0", "cligj": "0.7.2"}
    new = {"numpy": "2.5.0", "setuptools": "84.2.1"}
    lines = constraints([("3.9", old), ("3.9", {**old, "setuptools": "84.2.1"}), ("3.10", new), ("3.11", new)])
    assert [*lines] == [
        "cligj==0.7.2",
        'numpy==2.4.10 ; python_version == "3.9"',
        'numpy==2.5.0 ; python_version == "3.10" or python_version == "3.11"',
        "pip==24.0",
        'setuptools==81.0.0 ; python_version == "3.9"',
        'setuptools==84.2.1 ; python_version == "3.10" or python_version == "3.11"',
    ]


def test_the_packages_of_an_environment_are_read_without_torch() -> None:
    python, packages = runpy.run_path(str(ROOT / "tools" / "ci" / "write_constraints.py"))["installed"](sys.executable)
    assert python == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert packages["pytest"] == pytest.__version__
    assert "pyyaml" in packages
    assert not packages.keys() & {*FREE, "pip", "triton", "pet-vision"}


@pytest.mark.parametrize("installer", ["uv", "pip"])
@pytest.mark.parametrize("target", ["demo", "test"])
def test_make_installs_the_tested_versions(target: str, installer: str, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    # nothing else is found, no installed uv either
    for tool in ("make", "sh", "touch", "mkdir", "dirname", "cp"):
        found = shutil.which(tool)
        assert found is not None, f"there is no {tool}"
        (tmp_path / tool).symlink_to(found)
    python = '[ "$2" != venv ] || { mkdir -p $(dirname $3/x)/bin && cp "$0" "$3/bin/python"; }'
    for name, more in (("python3", python), ("uv", "")):
        if name != "uv" or installer == "uv":
            (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$PIP_BUILD_CONSTRAINT$PYTHONDONTWRITEBYTECODE" "$@" >>{asked}\n{more}\n')
            (tmp_path / name).chmod(0o755)
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    mark = environment / (".demo" if target == "demo" else ".dev")
    # where this stays set, each process compiles all of PyTorch again
    variables = {"PATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(
        [tmp_path / "make", f"VENV={environment}", str(mark)], cwd=ROOT, env=variables, check=True, timeout=180, capture_output=True
    )
    made, install = asked.read_text().splitlines()
    extra = f"-e .[{'demo' if target == 'demo' else 'dev'}]"
    if installer == "uv":
        assert made == f"uv  venv --quiet --allow-existing --python python3 {environment}"
        given = "-c constraints/tested.txt --build-constraints constraints/tested.txt"
        assert install == f"uv  pip install --quiet --python {environment}/bin/python {given} {extra}"
    else:
        assert made == f"python3  -m venv {environment}"
        assert install == f"python3 constraints/tested.txt -m pip install --quiet --no-compile -c constraints/tested.txt {extra}"
    assert mark.exists()
    rule = re.search(rf"^{target}:(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert rule is not None
    assert f"$(VENV)/{mark.name}" in rule[1]


def run_matrix(folder: Path, *options: str, **variables: str) -> tuple[int, list[str]]:
    interpreter = folder / "python3.99"
    interpreter.write_text(INTERPRETER)
    interpreter.chmod(0o755)
    own = {
        "PYTHONS": str(interpreter),
        "VENVS": str(folder / "environments"),
        "JOBS": "3",
        "TORCHES": "",
        "RENEW": "",
        "ANSWER": "7 passed, 1 skipped in 2.00s",
    }
    command = ["bash", str(MATRIX), *options]
    done = subprocess.run(command, env={**os.environ, **own, **variables}, capture_output=True, text=True, timeout=180)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def asked(folder: Path, torch: str) -> list[str]:
    return (folder / "environments" / f"python3.99-{torch}" / "bin" / "python.asked").read_text().splitlines()


def test_the_matrix_runs_the_suite_with_the_oldest_and_the_newest_torch(tmp_path: Path) -> None:
    line = "Python 3.99.1 torch 2.11.0 torchvision 0.26.0: 7 passed, 1 skipped in 2.00s"
    assert run_matrix(tmp_path) == (0, [line, line])
    head = "-m pip install --quiet --upgrade --upgrade-strategy eager -c constraints/tested.txt"
    (least,) = (str(item.specifier).split(">=")[1] for item in requirements() if item.name == "torch")
    assert asked(tmp_path, "oldest")[:2] == [f"{head} torch=={least} torchvision==0.26 -e .[dev]", "-m pytest -n 3 tests"]
    assert asked(tmp_path, "newest")[:2] == [f"{head} torch torchvision -e .[dev]", "-m pytest -n 3 tests"]


def test_the_matrix_takes_what_pytest_is_to_run(tmp_path: Path) -> None:
    code, lines = run_matrix(tmp_path, "tests/petlib", "-k", "two words", TORCHES="oldest")
    assert (code, len(lines)) == (0, 1)
    assert asked(tmp_path, "oldest")[1] == "-m pytest -n 3 tests/petlib -k two words"


def test_the_matrix_renews_the_file_where_all_pass_with_the_newest_releases(tmp_path: Path) -> None:
    run_matrix(tmp_path, RENEW="1")
    assert asked(tmp_path, "newest")[0] == "-m pip install --quiet --upgrade --upgrade-strategy eager torch torchvision -e .[dev]"
    pythons = " ".join(f"{tmp_path}/environments/python3.99-{torch}/bin/python" for torch in ("oldest", "newest"))
    assert asked(tmp_path, "oldest")[-1] == f"tools/ci/write_constraints.py constraints/tested.txt {pythons}"
    run_matrix(tmp_path, RENEW="1", CODE="1")
    assert "write_constraints" not in asked(tmp_path, "oldest")[-1]


def test_the_matrix_fails_where_anything_fails(tmp_path: Path) -> None:
    log = tmp_path / "environments" / "python3.99-oldest.log"
    code, lines = run_matrix(tmp_path, TORCHES="oldest", CODE="1", ANSWER="2 failed, 7 passed in 2.00s")
    assert (code, lines) == (1, [f"Python 3.99.1 torch 2.11.0 torchvision 0.26.0: 2 failed, 7 passed in 2.00s; see {log}"])
    code, lines = run_matrix(tmp_path, TORCHES="oldest", PIP_CODE="1")
    assert (code, lines[0]) == (1, f"{tmp_path / 'python3.99'}, oldest torch: the installation failed; see {log}")
    code, lines = run_matrix(tmp_path, TORCHES="newer")
    assert (code, lines[0]) == (
        1,
        f"{log.parents[1]}/python3.99, newer torch: the installation failed; see {log.parent}/python3.99-newer.log",
    )
    assert run_matrix(tmp_path, PYTHONS="python3.98") == (1, ["python3.98: not found", "nothing was tested"])
    code, lines = run_matrix(tmp_path, PYTHONS=f"python3.98 {tmp_path / 'python3.99'}")
    assert (code, len(lines)) == (1, 3)
