"""Small programs of any Linux host, as far as steps call them: they act on its files, and on what its kernel knows."""

from __future__ import annotations

import io
import posixpath
import re
import tarfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from klusterkit.engine.host import Completed
from klusterkit.hosts.simulated import Machine
from tests.support import kernel


def said(rc: int = 0, out: str = "", err: str = "") -> Completed:
    return Completed(rc=rc, out=out.encode(), err=err.encode())


def modprobe(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    name = argv[-1]
    loaded = machine.tree.find(f"/sys/module/{name}") is not None
    if name == "nf_tables":
        return said()
    if name not in kernel.MODULES:
        return said(1, err=f"modprobe: FATAL: Module {name} not found.")
    if "-n" in argv:
        return said(out="" if loaded else f"insmod /lib/modules/{name}.ko\n")
    if "-r" not in argv:
        kernel.load(machine, name)
    elif name == "vxlan" and machine.tree.find("/sys/class/net/flannel.1"):
        return said(1, err="modprobe: FATAL: Module vxlan is in use.")
    else:
        machine.tree.remove(f"/sys/module/{name}", recursive=True)
        if kernel.MODULES[name]:
            machine.tree.remove("/proc/sys/net/bridge", recursive=True)
    return said()


def find(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    """With ``-mindepth N -maxdepth N``, ``! -type d``, or ``-depth -type d -path PATTERN -delete``."""
    top = argv[1]
    if machine.tree.find(top) is None:
        return said(1, err=f"find: '{top}': No such file or directory")
    below = [entry for entry in machine.tree.walk() if entry.path.startswith(f"{top}/")]
    if "-delete" in argv:
        pattern = argv[argv.index("-path") + 1]
        for entry in reversed(below):
            if entry.type == "directory" and fnmatchcase(entry.path, pattern):
                machine.tree.remove(entry.path)
        return said()
    if "!" in argv:
        return said(out="".join(f"{entry.path}\0" for entry in below if entry.type != "directory"))
    paths = [entry.path for entry in below]
    depth = argv[argv.index("-maxdepth") + 1] if "-maxdepth" in argv else ""
    names = [path for path in paths if path.removeprefix(top).count("/") == int(depth)] if depth else [top, *paths]
    return said(out="".join(f"{name}\0" for name in names))


def cp(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    """``cp -a FOLDER/. FOLDER``: files, and the folders that hold them."""
    source, target = argv[-2].removesuffix("/."), argv[-1]
    for entry in list(machine.tree.walk()):
        if entry.path.startswith(f"{source}/") and entry.type == "file":
            path = f"{target}{entry.path.removeprefix(source)}"
            machine.tree.makedirs(posixpath.dirname(path))
            machine.tree.write(path, machine.tree.read(entry.path), entry.mode)
    return said()


def grep(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    """``grep -qs PATTERN FILE…``."""
    pattern = re.compile(argv[2])
    for path in argv[3:]:
        node = machine.tree.find(path)
        if node is not None and pattern.search(node.content.decode()):
            return said()
    return said(1)


def journalctl(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    return said(out="the unit's program failed\n")


def tar(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    archive, folder = argv[argv.index("-f") + 1], argv[argv.index("-C") + 1]
    members = argv[argv.index("-C") + 2 :]
    with tarfile.open(fileobj=io.BytesIO(machine.tree.read(archive))) as opened:
        for name in (member for member in members if not member.startswith("--")):
            if name not in opened.getnames():
                return said(2, err=f"tar: {name}: Not found in archive")
            content = opened.extractfile(name)
            machine.tree.makedirs(posixpath.dirname(f"{folder}/{name}"))
            machine.tree.write(f"{folder}/{name}", content.read() if content else b"", 0o640)
    return said()


def tee(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
    if machine.tree.find(argv[1]) is None:
        return said(1, err=f"tee: {argv[1]}: No such file or directory")
    machine.tree.write(argv[1], "\t".join(stdin.decode().split()) + "\n")  # as the kernel shows it
    return said(out=stdin.decode())


def umount(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    mounts = machine.tree.read("/proc/self/mountinfo").decode().splitlines()
    place = argv[1].replace(" ", "\\040")
    left = [line for line in mounts if line.split(" ")[4] != place]
    machine.tree.write("/proc/self/mountinfo", "".join(f"{line}\n" for line in left))
    return said() if left != mounts else said(32, err=f"umount: {argv[1]}: not mounted.")


def ip(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    if list(argv[1:]) == ["-o", "link", "show"]:
        return said(out="".join(_links(machine)))
    folder = {"link": "/sys/class/net", "netns": "/run/netns"}[argv[1]]
    if machine.tree.find(f"{folder}/{argv[3]}") is None:
        return said(1, err=f'Cannot find device "{argv[3]}"')
    machine.tree.remove(f"{folder}/{argv[3]}", recursive=True)
    return said()


def connect(machine: Machine, link: str, master: str = "", netns: str = "") -> None:
    """Make a link, at a bridge or with its other end in a namespace."""
    machine.tree.makedirs(f"/sys/class/net/{link}")
    machine.tree.write(f"/sys/class/net/{link}/ends", f"{master} {netns}")


def _links(machine: Machine) -> Iterator[str]:
    """A line for each, as iproute2 6.1 says it; ends that aren't there any more it doesn't say."""
    names = machine.tree.find("/sys/class/net").children  # type: ignore[union-attr]
    for number, name in enumerate(names, 1):
        file = f"/sys/class/net/{name}/ends"
        master, netns = machine.tree.read(file).decode().split(" ") if machine.tree.find(file) else ("", "")
        at = f"master {master} " if master in names else ""
        into = f" link-netns {netns}" if netns and machine.tree.find(f"/run/netns/{netns}") else ""
        yield f"{number}: {name}@if2: <BROADCAST,UP> mtu 1450 {at}state UP \\    link/ether 2a:94:d9:d7:de:94{into}\n"


def sync(_: Machine, __: Sequence[str], ___: bytes) -> Completed:
    return said()


def nft(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    tables = machine.tree.read("/proc/nft").decode().splitlines()
    if argv[1:3] == ["list", "tables"]:
        return said(out="".join(f"{line}\n" for line in tables))
    if argv[1] == "list":
        return said(out=f"table {argv[3]} {argv[4]} {{\n\tchain INPUT {{\n\t}}\n}}\n")
    table = f"table {argv[3]} {argv[4]}"
    machine.tree.write("/proc/nft", "".join(f"{line}\n" for line in tables if line != table))
    return said() if table in tables else said(1, err="Error: No such file or directory")


def filter_save(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    node = machine.tree.find(f"/proc/filter/{argv[0].removesuffix('-save')}")
    if node is None:
        return said(127)
    return said(out=f"# Generated by it on {machine.clock.now()}\n{node.content.decode()}# Completed\n")


def filter_restore(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
    """A table that the text has replaces the one that is there; one left without rules is as if it weren't."""
    path = f"/proc/filter/{argv[0].removesuffix('-restore')}"
    tables = {**_tables(machine.tree.read(path).decode()), **_tables(stdin.decode())}
    ruled = {name: lines for name, lines in tables.items() if any(not _is_default(line) for line in lines)}
    text = "".join(f"*{name}\n{''.join(f'{line}{chr(10)}' for line in lines)}COMMIT\n" for name, lines in ruled.items())
    machine.tree.write(path, text)
    return said()


def _is_default(line: str) -> bool:
    return line.startswith(":") and " ACCEPT " in line


def _tables(text: str) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            tables[line[1:]] = []
        elif line != "COMMIT":
            tables[next(reversed(tables))].append(line)
    return tables


PROGRAMS = {
    "cp": cp,
    "find": find,
    "grep": grep,
    "ip": ip,
    "journalctl": journalctl,
    "modprobe": modprobe,
    "nft": nft,
    "sync": sync,
    "tar": tar,
    "tee": tee,
    "umount": umount,
    **{f"{name}-save": filter_save for name in kernel.FILTERS},
    **{f"{name}-restore": filter_restore for name in kernel.FILTERS},
}
