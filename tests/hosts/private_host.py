"""A real sshd on this machine, in namespaces of its own: own /run, own KlusterKit folder, own users and processes.

What it started ends with it, and nothing that it writes is seen outside, but for the test's own folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import paramiko

from klusterkit.engine.host import HOME
from klusterkit.hosts import Fleet, HostKeys, Lease, Login, Question, Target, load_private_key
from tests.support.debian import install

CONFIG = """\
ListenAddress 127.0.0.1:{port}
{keys}
AuthorizedKeysFile /run/authorized_keys
StrictModes no
UsePAM no
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
LogLevel VERBOSE
{more}
"""

# The admin's sudo asks nothing, the plain user's asks for a password.
START = """\
set -e
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/sshd
install -m 644 {folder}/authorized_keys /run/authorized_keys
mount --bind {folder}/home {home}
for name in passwd shadow group sudoers; do
    [ ! -f /etc/$name ] || cp -p /etc/$name {folder}/$name
done
sed -i 's#^root:.*#root:x:0:0:root:/root:{root_shell}#' {folder}/passwd
for user in admin plain; do
    id=$([ $user = admin ] && echo 5001 || echo 5002)
    echo "$user:x:$id:$id::/tmp:/bin/sh" >>{folder}/passwd
    echo "$user:x:$id:" >>{folder}/group
    echo "$user:*:19000:0:99999:7:::" >>{folder}/shadow
done
printf 'root ALL=(ALL) ALL\\nadmin ALL=(ALL) NOPASSWD: ALL\\nplain ALL=(ALL) ALL\\n' >{folder}/sudoers
chmod 440 {folder}/sudoers
for name in passwd shadow group sudoers; do mount --bind {folder}/$name /etc/$name; done
exec /usr/sbin/sshd -D -E {folder}/log -f {folder}/config
"""


def ensure_packages() -> None:
    """sshd and sudo, installed where they are missing."""
    if not (Path("/usr/sbin/sshd").exists() and shutil.which("sudo")):
        subprocess.run(["apt-get", "update", "-q"], check=True, capture_output=True)
        install("openssh-server", "sudo")


class PrivateHost:
    """One such host.

    Args:
        folder: holds what it needs and its KlusterKit folder.
        key_types: of its host keys.
        more: further lines of its sshd's configuration.
        root_shell: root's login shell. One without start-up files starts in a tenth of the time.
    """

    def __init__(
        self, folder: Path, key_types: tuple[str, ...] = ("ed25519",), more: str = "", root_shell: str = "/bin/sh"
    ) -> None:
        ensure_packages()
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "home").mkdir(mode=0o700, exist_ok=True)
        self.port = _free_port()
        self._more = more
        self._root_shell = root_shell
        self._key_types = key_types
        for kind in key_types:
            self.new_host_key(kind)
        self.key = folder / "login"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)
        shutil.copy(f"{self.key}.pub", folder / "authorized_keys")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def new_host_key(self, kind: str) -> None:
        path = self.folder / f"host_{kind}"
        for each in (path, path.with_suffix(".pub")):
            each.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)

    def start(self) -> None:
        keys = "\n".join(f"HostKey {self.folder}/host_{kind}" for kind in self._key_types)
        text = CONFIG.format(port=self.port, keys=keys, folder=self.folder, more=self._more)
        (self.folder / "config").write_text(text)
        Path(HOME).mkdir(mode=0o700, parents=True, exist_ok=True)
        script = START.format(folder=self.folder, home=HOME, root_shell=self._root_shell)
        namespaces = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
        # It ends with us, however we end; with the thread that starts it, to be exact, so that has to be a lasting one.
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", *namespaces, "sh", "-c", script]
        self._process = subprocess.Popen(command, start_new_session=True)
        _until(self._answers, "sshd doesn't start")

    def power_off(self) -> None:
        """All that runs there ends at once; files stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        _until(lambda: not self._answers(), "sshd doesn't end")

    def cut(self) -> None:
        """End all its connections, as when the link is cut and both sides have noticed. sshd stays."""
        for pid in self.pids("sshd"):
            if pid != self.init:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    @property
    def init(self) -> int:
        """The first process of the host, as this machine numbers it."""
        assert self._process
        return int(Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()[0])

    def pids(self, name: str = "") -> list[int]:
        """Processes of the host by their names, all without one."""
        space = Path(f"/proc/{self.init}/ns/pid").readlink()
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/comm") if _is(path, space, name)]

    def command_lines(self, part: str) -> list[str]:
        """Of the host's processes: those that hold this."""
        found: list[str] = []
        for pid in self.pids():
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found += [text] if part in text else []
        return found

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def known_hosts(self) -> list[str]:
        return [
            f"[127.0.0.1]:{self.port} {(self.folder / f'host_{kind}.pub').read_text().strip()}"
            for kind in self._key_types
        ]

    @property
    def shell(self) -> list[str]:
        """How to start a shell there without SSH."""
        return ["nsenter", "-t", str(self.init), "--mount", "--pid", "/bin/sh"]

    def login(self, **changes: object) -> Login:
        config = self.folder / "ssh_config"
        config.touch()
        key = load_private_key(self.key.read_bytes())
        return Login.model_validate({"address": "127.0.0.1", "port": self.port, "key": key, "config": config} | changes)

    def fleet(
        self,
        *,
        lease: Lease | None = None,
        keys: HostKeys | None = None,
        question: Question | None = None,
        jump: Login | None = None,
        patience: float = 20.0,
        **login: object,
    ) -> Fleet:
        """A fleet of this host alone, called ``h``."""
        known = keys or HostKeys(self.known_hosts)
        target = Target(login=self.login(**login), jump=jump)
        return Fleet({"h": target}, known, lease=lease, question=question, patience=patience)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.settimeout(2)
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False


def public_key(path: Path) -> paramiko.PKey:
    return load_private_key(path.read_bytes()).key


def _is(path: Path, space: Path, name: str) -> bool:
    try:
        comm = path.read_text().strip()
        return comm.startswith(name) and (path.parent / "ns/pid").readlink() == space
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _until(done, otherwise: str) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)
