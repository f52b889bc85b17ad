"""The launcher's command line, with scripts that need no torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.petlib.launch.conftest import LIMIT_SECONDS


def test_every_rank_runs_with_the_overrides_and_its_own_log(toy):
    toy.script("print('SAYS', RANK, cfg.MISC.SEED, flush=True); print('error line', file=sys.stderr)")
    done = toy.run("--nproc", "2", "MISC.SEED", "11")
    assert done.returncode == 0, done.stderr
    assert "SAYS 0 11" in done.stdout
    assert "SAYS 1" not in done.stdout + done.stderr
    assert "SAYS 1 11" in toy.log(1)
    assert "error line" in toy.log(1)
    assert "SEED: 11" in toy.log(0)
    assert "SEED" not in toy.log(1)


def test_what_a_rank_printed_before_its_config_was_read_is_kept(toy):
    toy.script("pass")
    script = toy.root / "tools/toy/train_net.py"
    script.write_text("print('early bird')\n" + script.read_text())
    done = toy.run("--nproc", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("early bird") == 1
    assert toy.log(1).count("early bird") == 1


def test_a_script_gets_its_own_options_and_what_it_declares(toy):
    toy.write(
        "tools/toy/train_net.py",
        "import argparse\n"
        "parser = argparse.ArgumentParser()\n"
        "for name in ('--cfg', '--local_rank', '--threshold'):\n    parser.add_argument(name)\n"
        "parser.add_argument('--vis', action='store_true')\n"
        "print('GOT', vars(parser.parse_args()), flush=True)\n",
    )
    done = toy.run("--nproc", "2", "--vis", "--threshold", "-0.5")
    assert done.returncode == 0, done.stderr
    assert "GOT {'cfg': 'cfgs/toy/x.yaml', 'local_rank': '0', 'threshold': '-0.5', 'vis': True}" in done.stdout
    mistake = toy.run("--nproc", "2", "--visual")
    assert (mistake.returncode, mistake.stdout) == (2, "")
    assert mistake.stderr == "error: unknown option --visual. Options of the script itself may come after --\n"


def test_test_scripts_have_their_own_log(toy):
    toy.script("print('tested')", name="test_net.py")
    done = toy.run(entry="test")
    assert (done.returncode, "tested" in done.stdout) == (0, True), done.stderr
    assert "MISC" in toy.log(0, "test")


def test_dry_run_prints_script_ranks_and_environment_and_starts_nothing(toy):
    toy.script("mark('ran')")
    before = sorted(toy.root.rglob("*"))
    done = toy.run("--nproc", "2", "--dry_run", "MISC.SEED", "1")
    assert done.returncode == 0, done.stderr
    assert f"script: {toy.root}/tools/toy/train_net.py" in done.stdout
    assert "rank 0:" in done.stdout
    assert "rank 1:" in done.stdout
    assert "--cfg cfgs/toy/x.yaml MISC.SEED 1" in done.stdout
    assert "WORLD_SIZE=2" in done.stdout
    assert sorted(toy.root.rglob("*")) == before


def test_dry_run_of_several_machines_starts_nothing(toy):
    toy.script("mark('ran')")
    done = toy.run("--nnodes", "2", "--node_rank", "1", "--rdzv_endpoint", "head:29500", "--dry_run")
    assert done.returncode == 0, done.stderr
    assert "rendezvous: head:29500" in done.stdout
    assert not (toy.root / "ran0").exists()


def test_gpus_are_chosen_from_the_visible_ones(toy):
    toy.script("pass")
    config = toy.root / "cfgs/toy/x.yaml"
    config.write_text(config.read_text().replace("cpu", "auto"))
    done = toy.run("--gpu_id", "1", "--dry_run", CUDA_VISIBLE_DEVICES="4,6")
    assert "CUDA_VISIBLE_DEVICES=6" in done.stdout, done.stderr
    done = toy.run("--gpu_id", "2", CUDA_VISIBLE_DEVICES="4,6")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --gpu_id 2: there is no GPU 2; visible on this machine: 0, 1 (devices 4, 6)\n"


def test_the_absence_of_gpus_is_said_in_one_line(toy):
    toy.script("pass")
    config = toy.root / "cfgs/toy/x.yaml"
    config.write_text(config.read_text().replace("cpu", "auto"))
    done = toy.run(CUDA_VISIBLE_DEVICES="")
    assert "1 process on the CPU (no GPU is visible: computing on the CPU)" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cfg", "cfgs/toy/y.yaml"], "error: cfgs/toy/y.yaml: there is no such config file; did you mean x.yaml?"),
        (["MISC.SED", "1"], "MISC.SED: unknown key; did you mean MISC.SEED?"),
        (["MISC.SEED", "many"], "MISC.SEED: 'many' (str) given"),
    ],
)
def test_a_mistake_in_the_config_is_reported_once(toy, options, message):
    toy.script("mark('ran')")
    done = toy.run("--nproc", "3", *options)
    assert done.returncode == 2
    assert done.stderr.count(message) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not (toy.root / "ran0").exists()
    assert not (toy.root / "ckpts").exists()


@pytest.mark.parametrize(
    ("option", "variables", "message"),
    [
        ("MISC.CKPT=taken/below", {}, "taken is a file, but a folder for the results expected"),
        ("MISC.SEED=1", {"TMPDIR": "taken"}, "cannot be"),
    ],
)
def test_a_place_that_cannot_be_written_is_reported_once(toy, option, variables, message):
    toy.write("taken", "a file is here")
    toy.script("mark('ran')")
    # python itself goes on to the next folder when TMPDIR cannot be written
    toy.write("sitecustomize.py", "import os, tempfile\ntempfile.tempdir = os.environ.get('TMPDIR')\n")
    done = toy.run("--nproc", "2", option, **variables, PYTHONPATH=str(toy.root))
    assert done.returncode == 2
    assert done.stderr.count(message) == done.stderr.count("error: ") == 1, done.stderr
    assert "taken" in done.stderr
    assert not (toy.root / "ran0").exists()


def test_without_an_installation_the_tools_say_how_to_install():
    for name in ("train", "test"):
        tool = Path(__file__).parents[3] / f"tools/{name}_net_all.py"
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(tool), "--help"], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert "cannot import pet: install Pet with  pip install -e" in done.stderr


def test_the_tools_show_their_options():
    tool = Path(__file__).parents[3] / "tools/train_net_all.py"
    done = subprocess.run([sys.executable, str(tool), "--help"], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=True)
    for option in ("--cfg", "--gpu_id", "--type", "--nproc", "--nnodes", "--node_rank", "--rdzv_endpoint", "--max_restarts", "--dry_run"):
        assert option in done.stdout


def test_a_known_task_is_checked_before_anything_starts(toy):
    toy.script("pass")
    toy.write("mytasks/__init__.py", "")
    toy.write("mytasks/toy/__init__.py", "")
    toy.write(
        "mytasks/toy/config.py",
        "from petlib.config import CfgNode, PETLIB_SCHEMA\n"
        "def get_base_cfg():\n    return CfgNode(PETLIB_SCHEMA)\n"
        "def infer_cfg(cfg):\n    pass\n",
    )
    code = "import sys; from petlib.launch import launch; sys.exit(launch('train_net.py', package='mytasks'))"
    command = [sys.executable, "-c", code, "--cfg", "cfgs/toy/x.yaml", "--nproc", "2", "MISC.SED", "1"]
    done = subprocess.run(
        command,
        cwd=toy.root,
        env=toy.environment(PYTHONPATH=str(toy.root)),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: command line: MISC.SED: unknown key; did you mean MISC.SEED?\n"


def test_the_launcher_and_config_errors_import_no_torch(toy):
    code = (
        "import sys\nfrom pet.cli import train\n"
        "sys.argv = ['pet-train', '--cfg', 'cfgs/toy/x.yaml', '--dry_run']\n"
        "assert train() == 0\n"
        "import petlib.log, petlib.launch\n"
        "print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    toy.script("pass")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=toy.root, env=toy.environment(), capture_output=True, text=True, timeout=LIMIT_SECONDS, check=True
    )
    assert done.stdout.splitlines()[-1] == "False False"


def test_a_script_runs_alone_and_reports_its_own_mistakes(toy):
    toy.script("raise DataError('data/x.png: cut off') if cfg.MISC.SEED else ValueError('a bug')")

    def run(*overrides):
        command = [sys.executable, "tools/toy/train_net.py", "--cfg", "cfgs/toy/x.yaml", *overrides]
        return subprocess.run(
            command, cwd=toy.root, env=toy.environment(), capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
        )

    mistake = run()
    assert mistake.returncode == 2
    assert mistake.stderr == "error: data/x.png: cut off\n"
    assert "data/x.png: cut off" in toy.log(0)
    fault = run("MISC.SEED", "0")
    assert fault.returncode == 1
    assert fault.stderr.rstrip().endswith("ValueError: a bug")
    assert fault.stderr.count("Traceback") == 1
    unknown = run("--gpu", "1")
    assert (unknown.returncode, "unknown option --gpu" in unknown.stderr) == (2, True)


def test_a_rank_of_another_launcher_shows_its_traceback_on_the_screen(toy):
    toy.script("raise ValueError('a bug of rank ' + RANK)")
    environment = toy.environment(RANK="1", WORLD_SIZE="2", LOCAL_RANK="1")
    command = [sys.executable, "tools/toy/train_net.py", "--cfg", "cfgs/toy/x.yaml"]
    done = subprocess.run(command, cwd=toy.root, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("ValueError: a bug of rank 1")
    assert "a bug of rank 1" in toy.log(1)
