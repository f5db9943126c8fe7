"""The others, in an environment of their own, at their quickest: pyinfra 3, and ansible-core with pipelining."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.work import Entry

ENVIRONMENT = Path(".venv-bench")
LOCK = Path(__file__).with_name("requirements.lock")


def install() -> Path:
    """Make the environment if it isn't there or its lock has changed. Returns its folder of programs."""
    programs = (ENVIRONMENT / "bin").resolve()
    stamp, wanted = ENVIRONMENT / ".lock", LOCK.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        sys.stderr.write("bench: installing pyinfra and ansible-core (about a minute, once)\n")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
        pip = [str(programs / "pip"), "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*pip, "-r", str(LOCK)], check=True)
        stamp.write_text(wanted)
    return programs


def versions(programs: Path) -> dict[str, str]:
    """The versions of both."""
    code = "from importlib.metadata import version as v; print(v('pyinfra'), v('ansible-core'))"
    said = subprocess.run([str(programs / "python"), "-c", code], check=True, capture_output=True, text=True).stdout
    return dict(zip(("pyinfra", "ansible-core"), said.split(), strict=True))


@dataclass(frozen=True)
class Site:
    """Where they work.

    Attributes:
        programs: the folder of their programs.
        folder: for their files; its path is short, since OpenSSH puts sockets there.
        addresses: of the hosts.
        key: private key of root.
        known_hosts: OpenSSH's file of host keys.
    """

    programs: Path
    folder: Path
    addresses: tuple[str, ...]
    key: str
    known_hosts: str

    def run(self, command: list[str], **environment: str) -> None:
        """Run one of them, quietly. Raises with its last words when it fails."""
        ended = subprocess.run(
            command, cwd=self.folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}")


def write_pyinfra(site: Site, entries: list[Entry]) -> None:
    """The work as a deploy."""
    lines = ["from io import StringIO", "from pyinfra.operations import files", ""]
    for entry in entries:
        if entry.content is None:
            lines.append(f"files.directory(path={entry.path!r}, mode={entry.mode!r})")
        else:
            lines.append(f"files.put(src=StringIO({entry.content!r}), dest={entry.path!r}, mode={entry.mode!r})")
    (site.folder / "deploy.py").write_text("\n".join(lines) + "\n")
    data = {"ssh_user": "root", "ssh_key": site.key, "ssh_known_hosts_file": site.known_hosts}
    (site.folder / "inventory.py").write_text(f"hosts = {[(address, data) for address in site.addresses]!r}\n")


def run_pyinfra(site: Site) -> None:
    """Run the deploy."""
    site.run([str(site.programs / "pyinfra"), "-y", "inventory.py", "deploy.py"])


def write_ansible(site: Site, entries: list[Entry]) -> None:
    """The work as a playbook."""
    tasks = [_ansible_task(entry) for entry in entries]
    (site.folder / "play.yaml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    options: Mapping[str, str] = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": site.key,
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    words = " ".join(f"{name}={value}" for name, value in options.items())
    (site.folder / "hosts.ini").write_text("".join(f"{address} {words}\n" for address in site.addresses))
    ssh = f"-o UserKnownHostsFile={site.known_hosts} -o ControlMaster=auto -o ControlPersist=60s"
    (site.folder / "ansible.cfg").write_text(
        f"[defaults]\nforks = 10\nhome = {site.folder}\n"
        f"[ssh_connection]\npipelining = True\nssh_args = {ssh}\ncontrol_path_dir = {site.folder}/cp\n"
    )


def _ansible_task(entry: Entry) -> dict[str, object]:
    if entry.content is None:
        return {"ansible.builtin.file": {"path": entry.path, "state": "directory", "mode": entry.mode}}
    return {"ansible.builtin.copy": {"dest": entry.path, "content": entry.content, "mode": entry.mode}}


def run_ansible(site: Site) -> None:
    """Run the playbook."""
    play = [str(site.programs / "ansible-playbook"), "-i", "hosts.ini", "play.yaml"]
    site.run(play, ANSIBLE_CONFIG=str(site.folder / "ansible.cfg"), ANSIBLE_NOCOWS="1")


def disconnect(site: Site) -> None:
    """End the connections that Ansible leaves open for a minute: the next run pays for its own, as the others do."""
    for socket in (site.folder / "cp").glob("*"):
        command = ["ssh", "-q", "-O", "exit", "-o", f"ControlPath={socket}", "host"]
        subprocess.run(command, check=False, capture_output=True)
