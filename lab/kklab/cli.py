"""The lab's commands: arguments in, lines out. What they do is in `host_commands` and `artifact_commands`."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NoReturn, Protocol

from kklab import host_commands, places
from kklab.errors import LabError
from kklab.hosts.instance import Instance


class Commands(Protocol):
    """What argparse gives to add commands to."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser:  # noqa: A002 - argparse's own word
        """Add one."""
        ...


EPILOG = """\
Hosts belong to an instance, so that several runs on one machine don't meet: --instance, LAB_INSTANCE, or a name
made from the path of this checkout. Artifacts and the base tree are kept in KLUSTERKIT_LAB_CACHE, or in
klusterkit-lab below XDG_CACHE_HOME or ~/.cache. Exit codes: 0 done, 1 error, 2 usage, 130 interrupted.
"""


def main() -> int:
    """Run the command that the arguments name and return its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        args = _parser().parse_args()
        _need_root()
        args.run(args)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return 0


def _artifacts() -> ModuleType:
    # Imported when needed: the machinery of downloads takes longer than most commands on hosts.
    from kklab import artifact_commands

    return artifact_commands


def _set_up(_: argparse.Namespace) -> None:
    from kklab import machine_setup

    machine_setup.run()


def _need_root() -> None:
    if os.geteuid() != 0:
        raise LabError("the lab needs root", "run it with sudo")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description="Real hosts on this machine.", epilog=EPILOG)
    parser.add_argument(
        "--instance",
        metavar="NAME",
        type=Instance,
        default=os.environ.get("LAB_INSTANCE") or places.default_instance(),
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_host_commands(commands)
    _add_file_commands(commands)
    _add_artifact_commands(commands)
    setup = commands.add_parser("setup", help="install what this machine lacks and make the base tree")
    _runs(setup, _set_up)
    return parser


def _runs(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], object]) -> None:
    parser.set_defaults(run=run)


def _over_names(run: Callable[[Instance, Sequence[str]], None]) -> Callable[[argparse.Namespace], None]:
    return lambda args: run(args.instance, args.names)


def _add_host_commands(commands: Commands) -> None:
    for name, run, text in (
        ("up", host_commands.up, "make hosts, or switch on those that are there, and wait for SSH"),
        ("power-off", host_commands.power_off, "pull the plug; the disk stays"),
        ("power-on", host_commands.power_on, "switch on and wait for SSH"),
        ("reset", host_commands.reset, "make hosts pristine again; address and keys stay"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("names", metavar="NAME", nargs="+")
        _runs(command, _over_names(run))
    down = commands.add_parser("down", help="end hosts and take away all that was made for them")
    down.add_argument("names", metavar="NAME", nargs="*", help="without one: all of this instance")
    down.add_argument("--all", action="store_true", help="all of this instance")
    _runs(down, lambda args: host_commands.down(args.instance, [] if args.all else args.names))
    listing = commands.add_parser("list", help="the hosts of this instance")
    _runs(listing, lambda args: host_commands.show(args.instance))
    env = commands.add_parser("env", help="shell lines: key, known hosts, addresses, where the artifacts are")
    _runs(env, lambda args: host_commands.env(args.instance))
    ssh = commands.add_parser("ssh", help="run a command on a host, or a shell")
    ssh.add_argument("--user", default="root", help="root, admin (sudo) or plain (sudo with a password)")
    ssh.add_argument("name", metavar="NAME")
    ssh.add_argument("words", metavar="-- CMD", nargs=argparse.REMAINDER)
    _runs(ssh, lambda args: host_commands.ssh(args.instance, args.name, args.user, args.words))
    link = commands.add_parser("link", help="what a host's cable does, in each direction")
    link.add_argument("name", metavar="NAME")
    link.add_argument("words", metavar="down | up | delay 50ms | loss 5%%", nargs="+")
    _runs(link, lambda args: host_commands.link(args.instance, args.name, args.words))
    limit = commands.add_parser("limit", help="how much a host may use; an option left out is no limit")
    limit.add_argument("name", metavar="NAME")
    limit.add_argument("--memory", type=_bytes, metavar="2G", help="most memory")
    limit.add_argument("--cpus", type=_cpus, metavar="1.5", help="most processor time")
    _runs(limit, lambda args: host_commands.limit(args.instance, args.name, args.memory, args.cpus))


def _add_file_commands(commands: Commands) -> None:
    digest = commands.add_parser("digest", help="one digest of all files of a host, for before and after")
    digest.add_argument("name", metavar="NAME")
    digest.add_argument("--listing", action="store_true", help="print every path too")
    digest.add_argument(
        "--without", metavar="PATH", action="append", default=[], help="leave out what is at or below it"
    )
    _runs(digest, lambda args: host_commands.digest(args.instance, args.name, args.listing, args.without))


def _add_artifact_commands(commands: Commands) -> None:
    artifacts = commands.add_parser("artifacts", help="the mirror of components").add_subparsers(
        required=True, metavar="COMMAND"
    )
    build = artifacts.add_parser("build", help="make or download what the mirror lacks")
    build.add_argument("--minor", action="append", metavar="1.36", help="only this Kubernetes minor; repeatable")
    build.add_argument(
        "--from",
        dest="origin",
        choices=("auto", "source", "official"),
        default="auto",
        help="auto: download where the official sites answer, build from source elsewhere",
    )
    build.add_argument(
        "--official-base", metavar="URL", help="a mirror with a folder for each official site, in their place"
    )
    _runs(build, lambda args: _artifacts().build(args.minor, args.origin, args.official_base))
    path = artifacts.add_parser("path", help="the mirror's folder")
    _runs(path, lambda _: _artifacts().path())
    listing = artifacts.add_parser("list", help="the mirror's components, and whether they are there")
    _runs(listing, lambda _: _artifacts().show())


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)([KMGT]?)i?B?", text)
    if not found or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write 512M or 2G")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[found[2]]


def _cpus(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.01 <= value <= 4096:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processors; write 1 or 0.5")
    return value
