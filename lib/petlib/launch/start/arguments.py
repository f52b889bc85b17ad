"""The command lines of the launcher and of the scripts that it starts."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from petlib.addresses import ANY_STORE, check_address
from petlib.errors import ConfigError
from petlib.launch.start.command_parser import CommandParser
from petlib.suggest import did_you_mean

FOLDER_KEY, STORAGE_KEY = "MISC.CKPT", "MISC.STORAGE"
OVERRIDES_HELP = "settings that replace those of the config, as KEY VALUE or KEY=VALUE, e.g. SOLVER.OPTIMIZER.BASE_LR 0.05"


OF_LAUNCHER = "the launcher has it, which starts this script in each process (tools/train_net_all.py, pet-train)"
TYPE_HELP = "the task's folder, e.g. vision or tasks/cls (default: from the config's path below cfgs/)"


class ScriptArguments(NamedTuple):
    """What a training or test script was called with. ``type_folder`` is None where it was not given."""

    cfg: Path
    overrides: Sequence[str] = ()
    local_rank: int | None = None
    type_folder: str | None = None


class OtherForm(NamedTuple):
    """Another form of a command, which is not the launcher's: its first option says that it is meant.

    Attributes:
        usage: how it is written, for ``--help``, without the program's name.
        options: its options.
    """

    usage: str
    options: tuple[str, ...]


class LaunchArguments(NamedTuple):
    """What the launcher was called with. ``gpu_id`` and ``nproc`` are None where they were not given."""

    cfg: Path
    overrides: Sequence[str] = ()
    gpu_id: str | None = None
    type_folder: str | None = None
    nproc: int | None = None
    nnodes: int = 1
    node_rank: int | None = None
    rdzv_endpoint: str | None = None
    max_restarts: int = 0
    dry_run: bool = False
    script_options: Sequence[str] = ()
    """What the script is called with beyond the overrides: all words from the first option on that is not the launcher's."""
    after_dashes: bool = False
    """Whether a ``--`` announced options of the script."""


def parse_launch_arguments(argv: Sequence[str], *, description: str, other_forms: Sequence[OtherForm] = ()) -> LaunchArguments:
    """Read the launcher's command line; options may come before, between and after the overrides.

    Options that are not the launcher's are left to the script, see :func:`check_script_options`.

    Raises:
        SystemExit: ``--help`` (code 0), an option is malformed, or the config is missing (code 2, after a message).
        ConfigError: options contradict each other.
    """
    own, dashes, others = _partition(argv)
    parser = _launch_parser(description, other_forms)
    options, rest = parser.parse_known_args(parser.with_joined_values(own))
    overrides, script_options = _split_overrides([*rest, *others])
    if options.cfg is None:
        _refuse(parser, script_options, _said_of(other_forms))
    arguments = LaunchArguments(
        cfg=Path(options.cfg),
        overrides=[*overrides, *_storage(options.storage)],
        gpu_id=options.gpu_id,
        type_folder=options.type,
        nproc=options.nproc,
        nnodes=options.nnodes,
        node_rank=options.node_rank,
        rdzv_endpoint=options.rdzv_endpoint,
        max_restarts=options.max_restarts,
        dry_run=options.dry_run,
        script_options=script_options,
        after_dashes=dashes,
    )
    _check_nodes(arguments)
    return arguments


def check_script_options(arguments: LaunchArguments, declares: Callable[[str], bool], *, other_forms: Sequence[OtherForm] = ()) -> None:
    """Distinguish options of the script from misspelt ones of the launcher; after ``--`` all are the script's.

    Args:
        arguments: the command line of the launcher.
        declares: whether the script has an option of this name.
        other_forms: of the command.

    Raises:
        ConfigError: neither of them has the option.
    """
    names = [word.partition("=")[0] for word in arguments.script_options if word.startswith("--")]
    unknown = next((name for name in names or arguments.script_options[:1] if not declares(name)), None)
    if unknown is not None and not arguments.after_dashes:
        known = [f"--{option}" for option in (*vars(_launch_parser("").parse_args([])), "help")]
        said = _said_of(other_forms).get(unknown)
        guess = f": {said}." if said else did_you_mean(unknown, known) or "."
        raise ConfigError(f"unknown option {unknown}{guess} Options of the script itself may come after --")


def _said_of(forms: Sequence[OtherForm]) -> dict[str, str]:
    """Return options of other forms of a command -> what a message says about them; an option of two forms is said to be of the first."""
    return {option: f"it goes with  {form.usage}" for form in reversed(forms) for option in form.options}


def _launch_parser(description: str, other_forms: Sequence[OtherForm] = ()) -> CommandParser:
    parser = _parser(description, other_forms)
    parser.add_argument("--gpu_id", metavar="IDS", help="which of the visible GPUs to use, e.g. 0,1 (default: all)")
    add_type(parser, "folder of the script below tools/ (default, or none: from the config's path below cfgs/)")
    parser.add_argument("--nproc", type=_positive, metavar="N", help="number of processes: N CPU processes, or the first N GPUs")
    parser.add_argument("--nnodes", type=_positive, default=1, metavar="N", help="number of machines (default: 1)")
    parser.add_argument("--node_rank", type=_not_negative, metavar="R", help="which machine this is; machine 0 hosts the rendezvous")
    parser.add_argument("--rdzv_endpoint", metavar="HOST:PORT", help="where the machines meet; the same on all")
    parser.add_argument("--max_restarts", type=_not_negative, default=0, metavar="N", help="start all processes again after a failure")
    parser.add_argument("--storage", metavar="ADDRESS", help=f"s3://bucket/prefix (gs://, az://) of this run: the same as {STORAGE_KEY}")
    parser.add_argument("--dry_run", action="store_true", help="print script, processes and environment, and start nothing")
    return parser


def parse_script_arguments(argv: Sequence[str], *, description: str, serves_all_tasks: bool = False) -> ScriptArguments:
    """Read the command line of ``tools/<type>/train_net.py`` or ``tools/test_net.py``.

    Args:
        argv: the command line without the script's name.
        description: what the script does.
        serves_all_tasks: there is ``--type``, for a config whose path does not name its task.

    Raises:
        SystemExit: ``--help`` (code 0), or an option is unknown or malformed (code 2, after a message).
    """
    parser = _parser(description)
    parser.add_argument("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)
    if serves_all_tasks:
        add_type(parser, TYPE_HELP)
    options, overrides = _parse(parser, argv)
    return ScriptArguments(
        cfg=Path(options.cfg), overrides=overrides, local_rank=options.local_rank, type_folder=options.type if serves_all_tasks else None
    )


def parse_tool_arguments(
    argv: Sequence[str], *, description: str, add_options: Callable[[argparse.ArgumentParser], None]
) -> tuple[argparse.Namespace, list[str]]:
    """Read the command line of a tool that works with a config and has options of its own; return them and the overrides.

    Args:
        argv: the command line without the program's name.
        description: what the tool does.
        add_options: adds the tool's own options; the others are ``cfg`` and ``type``.

    Raises:
        SystemExit: ``--help`` (code 0), or an option is unknown or malformed (code 2, after a message).
    """
    parser = _parser(description)
    add_type(parser, TYPE_HELP)
    add_options(parser)
    return _parse(parser, argv)


def add_type(parser: argparse.ArgumentParser, text: str) -> None:
    """Add ``--type`` to a command line; ``none`` and ``None`` mean that it is not given."""
    parser.add_argument("--type", metavar="FOLDER", type=lambda given: None if given in ("none", "None") else given, help=text)


def _parser(description: str, other_forms: Sequence[OtherForm] = ()) -> CommandParser:
    usages = ["--cfg PATH [options] [KEY VALUE | KEY=VALUE ...]", *(form.usage for form in other_forms)]
    more = f". Options of another form: --help {other_forms[0].options[0]}" if other_forms else ""
    parser = CommandParser(
        description=description,
        usage="\n       ".join(f"%(prog)s {usage}" for usage in usages),
        epilog=f"KEY VALUE: {OVERRIDES_HELP}{more}",
    )
    parser.add_argument("--cfg", metavar="PATH", help="config file: .yaml or .py")
    return parser


def _parse(parser: CommandParser, argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the options and the overrides."""
    own, _, others = _partition(argv)
    said = dict.fromkeys((f"--{option}" for option in vars(_launch_parser("").parse_args([]))), OF_LAUNCHER)
    options, rest = parser.parse_known_args(parser.checked(own, elsewhere=said))
    overrides, unknown = _split_overrides([*rest, *others])
    if unknown or options.cfg is None:
        _refuse(parser, unknown, said)
    return options, overrides


def _partition(argv: Sequence[str]) -> tuple[list[str], bool, list[str]]:
    """Return the words before ``--``, whether there is one, and those after it."""
    words = list(argv)
    place = words.index("--") if "--" in words else len(words)
    return words[:place], place < len(words), words[place + 1 :]


def _split_overrides(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the overrides, and all words from the first option on; a negative number after a key is a value."""
    value_expected = False
    for place, word in enumerate(words):
        if word.startswith("--") or (word.startswith("-") and not value_expected):
            return list(words[:place]), list(words[place:])
        value_expected = not value_expected and "=" not in word
    return list(words), []


def _refuse(parser: CommandParser, unknown: Sequence[str], elsewhere: Mapping[str, str]) -> NoReturn:
    if not unknown:
        parser.error("--cfg PATH is missing: which config file?")
    parser.refuse_option(unknown[0].partition("=")[0], elsewhere=elsewhere)


def _storage(given: str | None) -> list[str]:
    """Return the setting that ``--storage`` means.

    Raises:
        ConfigError: it is a folder, or an address of something else.
    """
    if given is None:
        return []
    if check_address(given, place="--storage", expected=ANY_STORE) is None:
        raise ConfigError(f"--storage {given}: {ANY_STORE} expected; a folder is given as {FOLDER_KEY}={given}")
    return [f"{STORAGE_KEY}={given}"]


def _check_nodes(arguments: LaunchArguments) -> None:
    if arguments.nnodes > 1 and not arguments.rdzv_endpoint:
        raise ConfigError(f"--nnodes {arguments.nnodes} needs --rdzv_endpoint HOST:PORT, the same on every machine")
    if arguments.node_rank is not None and arguments.node_rank >= arguments.nnodes:
        raise ConfigError(f"--node_rank {arguments.node_rank}: --nnodes {arguments.nnodes} numbers them from 0 to {arguments.nnodes - 1}")
    if arguments.rdzv_endpoint and not arguments.rdzv_endpoint.rpartition(":")[2].isdigit():
        raise ConfigError(f"--rdzv_endpoint {arguments.rdzv_endpoint}: HOST:PORT expected, e.g. node0:29500")


def _positive(text: str) -> int:
    number = _not_negative(text)
    if number == 0:
        raise argparse.ArgumentTypeError("a number from 1 on expected")
    return number


def _not_negative(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} given, a whole number expected")
    return int(text)
