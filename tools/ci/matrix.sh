#!/usr/bin/env bash
# Runs the test suite on each Python with the oldest and the newest torch that setup.py allows, and prints one line for each.
#
#   bash tools/ci/matrix.sh                           the whole suite on all of them
#   bash tools/ci/matrix.sh tests/petlib -k loader    what pytest is to run
#   PYTHONS=/opt/py/bin/python3.12 TORCHES=oldest bash tools/ci/matrix.sh
#   RENEW=1 bash tools/ci/matrix.sh                   with the newest release of every package; if all pass, these are the tested ones
#
# PYTHONS   names or paths of interpreters; default: python3.11, python3.12 and python3.13, as far as they are found
# TORCHES   oldest, newest or both (default)
# VENVS     folder for the environments, of about 6 GB each, and the logs; default: .venv-matrix
# JOBS      parallel tests; default: 2
set -euo pipefail
cd "$(dirname "$0")/../.."

TESTED=constraints/tested.txt
VENVS=${VENVS:-.venv-matrix}
JOBS=${JOBS:-2}
RENEW=${RENEW:-}
read -ra pythons <<<"${PYTHONS:-python3.11 python3.12 python3.13}"
read -ra torches <<<"${TORCHES:-oldest newest}"
[ $# -gt 0 ] || set -- tests

# "torch>=2.11,<2.16" in setup.py is torch==2.11 here
oldest() {
    sed -nE 's/^ *"(torch|torchvision)>=([0-9.]+),.*/\1==\2/p' setup.py
}

# make the environment $2 with the interpreter $1 and the torch $3
install() {
    local requirements=(torch torchvision)
    case $3 in
        oldest) mapfile -t requirements < <(oldest) ;;
        newest) ;;
        *) echo "TORCHES: oldest or newest expected, not $3" && return 1 ;;
    esac
    [ -x "$2/bin/python" ] || "$1" -m venv "$2"
    local constraint=(-c "$TESTED")
    [ -z "$RENEW" ] || constraint=()
    # what an earlier run left in the environment must not matter
    "$2/bin/python" -m pip install --quiet --upgrade --upgrade-strategy eager "${constraint[@]}" "${requirements[@]}" -e '.[dev]'
}

versions() {
    "$1/bin/python" -c 'import platform, importlib.metadata as installed
print("Python", platform.python_version(), *(f"{name} {installed.version(name)}" for name in ("torch", "torchvision")))'
}

failed=0
runs=0
tested=()
mkdir -p "$VENVS"
for python in "${pythons[@]}"; do
    if ! command -v "$python" >/dev/null; then
        echo "$python: not found"
        # who names one wants it
        [ -z "${PYTHONS:-}" ] || failed=1
        continue
    fi
    for torch in "${torches[@]}"; do
        environment=$VENVS/$(basename "$python")-$torch
        log=$environment.log
        if ! install "$python" "$environment" "$torch" >"$log" 2>&1; then
            echo "$python, $torch torch: the installation failed; see $log"
            failed=1
            continue
        fi
        runs=$((runs + 1))
        if "$environment/bin/python" -m pytest -n "$JOBS" "$@" >>"$log" 2>&1; then
            tested+=("$environment/bin/python")
            echo "$(versions "$environment"): $(tail -n 1 "$log")"
        else
            echo "$(versions "$environment"): $(tail -n 1 "$log"); see $log"
            failed=1
        fi
    done
done
if [ "$runs" -eq 0 ]; then
    echo "nothing was tested"
    exit 1
fi
if [ -n "$RENEW" ] && [ "$failed" -eq 0 ]; then
    "${tested[0]}" tools/ci/write_constraints.py "$TESTED" "${tested[@]}"
fi
exit "$failed"
