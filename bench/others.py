"""The others, in an environment of their own: pyinfra 3, and ansible-core with pipelining, at their quickest settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ENVIRONMENT = Path(".venv-bench")
LOCK = Path(__file__).with_name("requirements.lock")


def install() -> Path:
    """Make the environment if it isn't there or its lock has changed. Returns its folder of programs."""
    programs = (ENVIRONMENT / "bin").resolve()
    stamp, wanted = ENVIRONMENT / ".lock", LOCK.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        sys.stderr.write("bench: installing pyinfra and ansible-core (about a minute, once)\n")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
        pip = [str(programs / "pip"), "install", "--quiet", "--require-hashes", "-r", str(LOCK)]
        subprocess.run(pip, check=True)
        stamp.write_text(wanted)
    return programs


def pyinfra(programs: Path, folder: Path, hosts: Mapping[str, str], files: Mapping[str, str], key: str) -> list[str]:
    """A pyinfra deploy of the same folders and files; returns the command that runs it."""
    lines = ["from io import StringIO", "from pyinfra.operations import files", ""]
    for path in sorted({str(Path(path).parent) for path in files}, key=len):
        lines.append(f"files.directory(path={path!r}, mode='755')")
    for path, content in files.items():
        lines.append(f"files.put(src=StringIO({content!r}), dest={path!r}, mode='644')")
    (folder / "deploy.py").write_text("\n".join(lines) + "\n")
    data = {"ssh_user": "root", "ssh_key": key, "ssh_known_hosts_file": str(folder / "known_hosts")}
    inventory = [(address, data) for address in hosts.values()]
    (folder / "inventory.py").write_text(f"hosts = {inventory!r}\n")
    return [str(programs / "pyinfra"), "-y", str(folder / "inventory.py"), str(folder / "deploy.py")]


def ansible(programs: Path, folder: Path, hosts: Mapping[str, str], files: Mapping[str, str], key: str) -> list[str]:
    """An Ansible playbook of the same; returns the command that runs it."""
    tasks: list[dict[str, object]] = []
    for path in sorted({str(Path(path).parent) for path in files}, key=len):
        tasks.append({"ansible.builtin.file": {"path": path, "state": "directory", "mode": "0755"}})
    for path, content in files.items():
        tasks.append({"ansible.builtin.copy": {"dest": path, "content": content, "mode": "0644"}})
    (folder / "play.yaml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    lines = [f"{address} ansible_user=root ansible_ssh_private_key_file={key}" for address in hosts.values()]
    (folder / "hosts.ini").write_text("\n".join(lines) + "\n")
    options = f"-o UserKnownHostsFile={folder / 'known_hosts'} -o ControlMaster=auto -o ControlPersist=60s"
    config = f"[defaults]\nforks = 10\n[ssh_connection]\npipelining = True\nssh_args = {options}\n"
    (folder / "ansible.cfg").write_text(config)
    return [str(programs / "ansible-playbook"), "-i", str(folder / "hosts.ini"), str(folder / "play.yaml")]


def run(command: list[str], folder: Path) -> None:
    """Run one of them, quietly. Raises with its last words when it fails."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_NOCOWS": "1"}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}")
