"""A model of a machine: what lasts when connections come and go."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from klusterkit.engine.facts import Facts
from klusterkit.engine.host import HOME, Completed, Entry
from klusterkit.hosts.question import Question
from klusterkit.hosts.simulated.clock import Clock
from klusterkit.hosts.simulated.jobs import Job, Jobs
from klusterkit.hosts.simulated.systemd import Running, Systemd
from klusterkit.hosts.simulated.tree import Node, Tree

Act = Callable[["Machine", Sequence[str], bytes], Completed]
"""A program: what it does to the machine when it ends, and how it ends."""

FOLDERS = (
    *("/etc/systemd/system/multi-user.target.wants", "/usr/lib/systemd/system", "/usr/bin", "/usr/local/bin"),
    *("/usr/sbin", "/var/lib", "/var/log", "/root", "/opt", "/home", "/proc", "/sys", "/dev"),
)
VOLATILE = ("/run/lock", "/run/systemd", "/tmp")  # noqa: S108 - of the model
"""Empty after a boot."""
SSH = "[Service]\nExecStart=/usr/sbin/sshd -D\n[Install]\nWantedBy=multi-user.target\n"


@dataclass(frozen=True)
class Program:
    """A program of a simulated machine.

    Args:
        act: called once, when the program ends. One that is ended before never acts.
        takes: seconds from start to end.
    """

    act: Act
    takes: float = 0.0


@dataclass(frozen=True)
class Snapshot:
    """A machine at one moment: its files, what systemd has in memory, the records of programs, and whether it is on."""

    root: Node
    units: dict[str, Running]
    starts: int
    jobs: dict[str, Job]
    powered: bool
    boots: int


def _copied(snapshot: Snapshot) -> Snapshot:
    return replace(
        snapshot,
        root=snapshot.root.copy(),
        units={name: replace(unit) for name, unit in snapshot.units.items()},
        jobs={key: replace(job) for key, job in snapshot.jobs.items()},
    )


class Machine:
    """Files, programs, units and a clock. Hold :attr:`lock` to look at several of them at once.

    Args:
        name: its hostname.
        clock: its time; machines may share one.
        facts: what the machine is, but for what its model knows better: clock, units, programs, paths.
    """

    def __init__(self, name: str, clock: Clock | None = None, facts: Facts | None = None) -> None:
        self.name = name
        self.clock = clock or Clock()
        self.lock = threading.RLock()
        self.tree = Tree()
        for folder in (*FOLDERS, *VOLATILE):
            self.tree.makedirs(folder)
        self.tree.write("/etc/hostname", f"{name}\n")
        self.tree.write("/usr/lib/systemd/system/ssh.service", SSH)
        self.tree.link("/etc/systemd/system/multi-user.target.wants/ssh.service", "/usr/lib/systemd/system/ssh.service")
        self.facts = facts or default_facts(name)
        self.neighbours: dict[str, str] = {}
        """Addresses that others in its network answer for, with their hardware addresses."""
        self.systemd = Systemd(self.tree)
        self.systemd.boot()
        self.programs: dict[str, Program] = dict(basic_programs())
        self.jobs = Jobs(self)
        self.powered = True
        self.boots = 1

    def program(self, name: str, act: Act, takes: float = 0.0) -> None:
        """Have a program: by its full path, or by its name wherever it is."""
        self.programs[name] = Program(act, takes)

    def find_program(self, argv: Sequence[str]) -> Program:
        """The program that these arguments start; one that ends with 127 where there is none."""
        name = argv[0]
        return self.programs.get(name) or self.programs.get(name.rsplit("/", 1)[-1]) or _missing(name)

    def power_off(self) -> None:
        """Pull the plug: what runs is gone, files stay."""
        with self.lock:
            self.powered = False
            self.systemd.power_off()
            for folder in VOLATILE:
                self.tree.remove(folder, recursive=True)

    def power_on(self) -> None:
        """Boot: units that are enabled start."""
        with self.lock:
            if self.powered:
                return
            self.powered = True
            self.boots += 1
            for folder in VOLATILE:
                self.tree.makedirs(folder)
            self.systemd.boot()

    def snapshot(self) -> Snapshot:
        """What it is now, for :meth:`restore`."""
        with self.lock:
            return _copied(
                Snapshot(
                    self.tree.root, self.systemd.units, self.systemd.starts, self.jobs.records, self.powered, self.boots
                )
            )

    def restore(self, snapshot: Snapshot) -> None:
        """Be as this machine, or one with the same programs, was. A snapshot may be restored often."""
        then = _copied(snapshot)
        with self.lock:
            self.tree.root, self.systemd.units, self.jobs.records = then.root, then.units, then.jobs
            self.tree.changes += 1
            self.systemd.starts, self.powered, self.boots = then.starts, then.powered, then.boots

    def listing(self) -> list[Entry]:
        """Every path but KlusterKit's own."""
        with self.lock:
            return list(self.tree.walk(without=HOME))

    def digest(self) -> str:
        """Of every path with type, mode, owner, content and target, without KlusterKit's own: for before and after."""
        lines = "\n".join(entry.model_dump_json() for entry in self.listing())
        return hashlib.sha256(lines.encode()).hexdigest()

    def look(self, question: Question) -> Facts:
        """The machine's facts now."""
        with self.lock:
            programs = {*self.facts.programs, *self.programs}
            services = {*self.facts.services, *self.systemd.active}
            return self.facts.model_copy(
                update={
                    "clock": self.clock.now() + self.facts.clock_offset,
                    "programs": tuple(name for name in question.programs if name in programs),
                    "services": tuple(unit for unit in question.units if unit in services),
                    "paths": tuple(path for path in question.paths if self._has(path)),
                    "kernel_features": tuple(
                        name for name in question.kernel_features if name in self.facts.kernel_features
                    ),
                }
            )

    def _has(self, path: str) -> bool:
        return path in self.facts.paths or self.tree.find(path, follow=True) is not None


_PROGRAMS = (
    *("base64", "cat", "chmod", "chown", "cp", "date", "dd"),
    *("find", "flock", "grep", "head", "id", "journalctl", "mkdir"),
    *(
        "mount",
        "mv",
        "nproc",
        "readlink",
        "rm",
        "rmdir",
        "setsid",
        "sha256sum",
        "sleep",
        "stat",
        "sync",
        "systemctl",
        "tail",
    ),
    *("tar", "tee", "timeout", "umount", "uname"),
    *("conntrack", "curl", "ethtool", "ip", "iptables", "jq", "nft", "socat", "ss"),
)


def default_facts(name: str) -> Facts:
    """A healthy host with what Kubernetes needs. Tests change what they are about: ``machine.facts``."""
    return Facts(
        hostname=name,
        machine_id=hashlib.sha256(name.encode()).hexdigest()[:32],
        os="debian-12",
        kernel="6.1.0-28-amd64",
        architecture="amd64",
        cpus=4,
        memory=8 << 30,
        memory_available=7 << 30,
        swap=0,
        disk_free=50 << 30,
        init="systemd",
        cgroup=2,
        can_lower_oom_score=True,
        can_write_conntrack_limits=True,
        kernel_features=("overlay", "br_netfilter", "vxlan", "nf_tables", "ip_vs"),
        has_modprobe=True,
        name_servers=("10.0.0.53",),
        interfaces={"eth0": ("10.0.0.11/24",)},
        default_interface="eth0",
        default_address="10.0.0.11",
        listening=(22,),
        programs=_PROGRAMS,
        services=("ssh.service",),
        paths=(),
        clock=0.0,
        clock_offset=0.0,
    )


def basic_programs() -> dict[str, Program]:
    """Those that any machine has and that need no more than what they are told."""
    return {
        "true": Program(ends(0)),
        "false": Program(ends(1)),
        "echo": Program(lambda _, argv, __: Completed(rc=0, out=" ".join(argv[1:]).encode() + b"\n")),
        "printf": Program(lambda _, argv, __: Completed(rc=0, out=argv[-1].encode())),
        "cat": Program(_cat),
        "chmod": Program(_chmod),
        "systemctl": Program(lambda machine, argv, _: machine.systemd.systemctl(argv[1:])),
    }


def _cat(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
    try:
        return Completed(rc=0, out=b"".join(machine.tree.read(path) for path in argv[1:]) if argv[1:] else stdin)
    except OSError as error:
        return Completed(rc=1, err=f"cat: {error.filename}: {error.strerror}\n".encode())


def _chmod(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    recursive, mode, *paths = argv[1:] if argv[1] == "-R" else ["", *argv[1:]]
    for path in paths:
        node = machine.tree.find(path, follow=True)
        if node is None:
            return Completed(rc=1, err=f"chmod: cannot access '{path}': No such file or directory\n".encode())
        _set_mode(node, int(mode, 8), below=bool(recursive))
    return Completed(rc=0)


def _set_mode(node: Node, mode: int, *, below: bool) -> None:
    node.mode = mode
    for child in node.children.values() if below else ():
        if child.type != "symlink":
            _set_mode(child, mode, below=True)


def _missing(name: str) -> Program:
    return Program(ends(127, err=f"{name}: not found\n"))


def ends(rc: int, out: str = "", err: str = "") -> Act:
    """A program that does nothing and ends like this."""

    def act(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
        _ = machine, argv, stdin
        return Completed(rc=rc, out=out.encode(), err=err.encode())

    return act
