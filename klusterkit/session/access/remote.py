"""``cctl ssh``: a shell on a machine, entered as KlusterKit itself enters it."""

from __future__ import annotations

from collections.abc import Sequence

from klusterkit.cluster import Machine
from klusterkit.engine.errors import UsageError
from klusterkit.hosts.openssh import SSH_PORT, run_ssh
from klusterkit.session.connect import host_keys, jump_login, login_of, private_key
from klusterkit.session.hold import Hold


def ssh(hold: Hold, name: str, command: Sequence[str], *, tty: bool) -> int:
    """Run the system's ssh towards a machine. Returns its exit status.

    Args:
        hold: has the key of the login and those of the hosts.
        name: of the machine or of its node, or its address.
        command: what to run there; none for a shell.
        tty: whether a command gets a terminal.

    Raises:
        UsageError: no such machine; its host key isn't known.
    """
    machine, key, keys = _machine(hold, name), private_key(hold), host_keys(hold)
    login = login_of(machine, key)
    jump = jump_login(hold.settings.ssh_jump, key) if hold.settings.ssh_jump else None
    for each in filter(None, (login, jump)):
        if not keys.lines(each.address, each.port or SSH_PORT):
            raise UsageError(
                f"no host key of {each.address} is known",
                hint="a machine's is pinned when it is created; a jump host's has to be in your known_hosts",
            )
    return run_ssh(login, key, keys, command, jump=jump, tty=tty)


def _machine(hold: Hold, name: str) -> Machine:
    found = [machine for machine in hold.machines if name in (machine.name, str(machine.address), machine.node_name)]
    if not found:
        raise UsageError(f"the cluster has no machine {name}", hint="`cctl get machine` lists them")
    return found[0]
