import re
from pathlib import Path

import pytest

from petlib.errors import ConfigError
from petlib.launch.start.arguments import OtherForm, check_script_options, parse_launch_arguments, parse_script_arguments


def parse(*argv):
    return parse_launch_arguments(argv, description="")


@pytest.mark.parametrize(
    "argv",
    [
        "--cfg x.yaml --nproc 2 A.B 1 C=2 D.E -0.5 F -1e-3",
        "A.B 1 C=2 D.E -0.5 F -1e-3 --cfg x.yaml --nproc 2",
        "A.B 1 --nproc 2 C=2 D.E -0.5 --cfg=x.yaml F -1e-3",
        "--cfg x.yaml --nproc=2 -- A.B 1 C=2 D.E -0.5 F -1e-3",
    ],
)
def test_options_may_be_anywhere_among_the_overrides(argv):
    arguments = parse(*argv.split())
    assert arguments.cfg == Path("x.yaml")
    assert arguments.nproc == 2
    assert arguments.overrides == ["A.B", "1", "C=2", "D.E", "-0.5", "F", "-1e-3"]


def test_what_is_not_given_has_its_default():
    arguments = parse("--cfg", "x.yaml")
    assert (arguments.gpu_id, arguments.type_folder, arguments.nproc, arguments.overrides) == (None, None, None, [])
    assert (arguments.nnodes, arguments.node_rank, arguments.max_restarts, arguments.dry_run) == (1, None, 0, False)


def test_type_none_means_not_given():
    for word in ("none", "None"):
        assert parse("--cfg", "x.yaml", "--type", word).type_folder is None
    assert parse("--cfg", "x.yaml", "--type", "tasks/cls").type_folder == "tasks/cls"


def test_an_option_of_the_launcher_alone_is_named_as_such_by_a_script(capsys):
    with pytest.raises(SystemExit) as end:
        parse_script_arguments(["--cfg", "x.yaml", "--gpu_id", "0,1"], description="")
    assert end.value.code == 2
    assert "unknown option --gpu_id: the launcher has it, which starts this script in each process (tools/" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--cgf x.yaml", r"unknown option --cgf; did you mean --cfg\?"),
        ("A 1", "--cfg PATH is missing"),
        ("--cfg x.yaml --nproc 0", "from 1 on"),
        ("--cfg x.yaml --nproc two", "whole number expected"),
        ("--cfg x.yaml --max_restarts -1", "--max_restarts"),
    ],
)
def test_a_mistake_ends_with_code_2_and_says_what_is_meant(argv, message, capsys):
    with pytest.raises(SystemExit) as end:
        parse(*argv.split())
    assert end.value.code == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--gpuid 0", r"unknown option --gpuid; did you mean --gpu_id\? Options of the script itself may come after --"),
        ("--dry-run", r"unknown option --dry-run; did you mean --dry_run\?"),
        ("--nprocs=2", r"unknown option --nprocs; did you mean --nproc"),
        ("A.B --nprocs", "unknown option --nprocs"),
        ("-gpu_id 0", "unknown option -gpu_id"),
        ("--vis --treshold 0.5", "unknown option --treshold"),
    ],
)
def test_an_option_that_neither_launcher_nor_script_has_is_a_mistake(argv, message):
    arguments = parse("--cfg", "x.yaml", *argv.split())
    with pytest.raises(ConfigError, match=message):
        check_script_options(arguments, {"--vis", "--threshold"}.__contains__)


@pytest.mark.parametrize("dashes", [[], ["--"]])
def test_options_of_the_script_are_left_to_it_with_all_that_follows(dashes):
    arguments = parse("--cfg", "x.yaml", "A.B", "-1", *dashes, "--vis", "--threshold", "-0.5", "photo.jpg")
    assert (arguments.overrides, arguments.script_options) == (["A.B", "-1"], ["--vis", "--threshold", "-0.5", "photo.jpg"])
    check_script_options(arguments, {"--vis", "--threshold"}.__contains__)


def test_after_two_dashes_even_options_of_the_launcher_are_the_scripts():
    arguments = parse("--cfg", "x.yaml", "--nproc", "2", "--", "--nproc", "5", "--odd")
    assert (arguments.nproc, arguments.script_options) == (2, ["--nproc", "5", "--odd"])
    check_script_options(arguments, lambda name: False)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--nnodes 2", "--nnodes 2 needs --rdzv_endpoint HOST:PORT"),
        ("--nnodes 2 --rdzv_endpoint node0", "HOST:PORT expected"),
        ("--nnodes 2 --rdzv_endpoint node0:29500 --node_rank 2", "numbers them from 0 to 1"),
    ],
)
def test_options_about_machines_fit_together(argv, message):
    with pytest.raises(ConfigError, match=message):
        parse("--cfg", "x.yaml", *argv.split())


@pytest.mark.parametrize("option", ["--local_rank=1", "--local-rank=1"])
def test_scripts_accept_the_local_rank_of_older_launchers(option):
    arguments = parse_script_arguments(["--cfg", "x.yaml", option, "A", "1"], description="")
    assert (arguments.local_rank, arguments.overrides) == (1, ["A", "1"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("ftp://x/y", "^--storage ftp://x/y: an address such as s3://bucket/prefix, gs://... or az://... expected$"),
        ("http://x/y", "^--storage http://x/y: an address such as"),
        ("s3://", "^--storage s3://: the bucket is missing, s3://bucket/prefix expected$"),
        ("a/b", "^--storage a/b: an address such as .* expected; a folder is given as MISC.CKPT=a/b$"),
    ],
)
def test_the_form_of_a_storage_is_checked_at_once(given: str, message: str) -> None:
    assert parse("--cfg", "x.yaml", "--storage", "s3://bucket/run").overrides == ["MISC.STORAGE=s3://bucket/run"]
    with pytest.raises(ConfigError, match=message):
        parse("--cfg", "x.yaml", "--storage", given)


FORM = OtherForm("--data FOLDER [--time 10m]", ("--data", "--time"))


def test_options_of_another_form_are_named_as_such(capsys):
    with pytest.raises(SystemExit):
        parse_launch_arguments(["--time", "5m"], description="", other_forms=[FORM])
    assert "unknown option --time: it goes with  --data FOLDER [--time 10m]\n" in capsys.readouterr().err
    arguments = parse_launch_arguments(["--cfg", "x.yaml", "--time", "5m"], description="", other_forms=[FORM])
    with pytest.raises(ConfigError, match=r"unknown option --time: it goes with  --data FOLDER .*\. Options of the script"):
        check_script_options(arguments, lambda name: False, other_forms=[FORM])
    check_script_options(arguments, {"--time"}.__contains__, other_forms=[FORM])


def test_the_help_shows_all_forms(capsys):
    with pytest.raises(SystemExit) as end:
        parse_launch_arguments(["--help"], description="", other_forms=[FORM])
    text = capsys.readouterr().out
    assert end.value.code == 0 and " --cfg PATH [options]" in text and " --data FOLDER [--time 10m]\n" in text
