"""Frees a host whose lock a dead connection holds."""

from __future__ import annotations

from collections.abc import Callable

from klusterkit.cluster import InvalidCluster, Machine, machine_name, parse_address
from klusterkit.engine.errors import UsageError
from klusterkit.hosts import Holder
from klusterkit.session.connect import fleet_for_machines, machines_of
from klusterkit.session.hold import Hold


def unlock(hold: Hold, host: str, port: int, agree: Callable[[Holder], bool]) -> Holder | None:
    """Break a host's lock, if whoever is told who holds it agrees.

    Args:
        hold: need not be opened for writing.
        host: name of a machine of the state or of the run in progress, or the address of any other.
        port: of such another one's sshd.
        agree: asked before.

    Returns:
        Who held it; None if nobody did, or if it is held still.
    """
    machine = _machine(hold, host, port)
    with fleet_for_machines(hold, [machine]) as fleet:
        holder = fleet[machine.name].lock_holder()
        if holder is None or not agree(holder):
            return None
        fleet[machine.name].break_lock()
        return holder


def _machine(hold: Hold, host: str, port: int) -> Machine:
    known = {machine.name: machine for machine in machines_of(hold, hold.run.plan if hold.run else None)}
    if host in known:
        return known[host]
    try:
        address = parse_address(host, "machine address")
        user = hold.snapshot.credentials[0]["user"] if hold.snapshot.credentials else "root"
        return Machine.of(name=machine_name(address), address=host, roles="node", port=port, user=user)
    except InvalidCluster:
        names = ", ".join(sorted(known)) or "none"
        raise UsageError(
            f"there is no machine {host!r}, and it is no address",
            hint=f"{hold.state.path} has {names}; name any other by its address",
        ) from None
