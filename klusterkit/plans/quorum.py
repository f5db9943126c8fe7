"""What more masters mean for etcd's quorum: said before anything starts, or refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Machine
from klusterkit.engine.errors import UsageError
from klusterkit.plans.files import etcd
from klusterkit.tasks.etcdctl import EtcdMember
from klusterkit.tasks.membership import first_loss


class SeenMember(BaseModel):
    """A member as etcd itself tells of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    told: str
    """In words: its name, URLs, id."""
    peers: tuple[str, ...]
    votes: bool


class SeenMaster(BaseModel):
    """A master that is there, as it was seen when a plan was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: Machine
    reached: bool = True
    """Whether its host answers."""
    etcd: str = ""
    """Why its etcd doesn't answer; nothing if it does."""
    api: str = ""
    """Likewise of its API server."""
    members: tuple[SeenMember, ...] = ()
    """What its etcd says of all members; nothing where it doesn't answer."""


def notice(masters: int) -> str:
    """What is worth knowing of a number of voting members; nothing of an odd one."""
    if masters % 2:
        return ""
    survives = (masters - 1) // 2
    return (
        f"etcd will have {masters} voting members: it survives the loss of {survives}, as it does with {masters - 1},"
        f" and there is one more that can be lost; better make it {masters + 1}"
    )


def refusals(seen: list[SeenMaster]) -> Iterator[UsageError]:
    """Why no member can come to etcd now: it takes none while one of its own is missing, and one at a time."""
    for master in seen:
        if master.etcd:
            yield UsageError(
                "etcd's member on this master doesn't answer, so that none can be added",
                host=master.machine.name,
                seen=master.etcd,
                hint="bring it back (`journalctl -u etcd` on the host), or take the machine out of the cluster first",
            )
    told = next((master.members for master in seen if master.members), ())
    ours = {etcd.peer_url(str(master.machine.address)) for master in seen}
    for member in told:
        if not ours.intersection(member.peers) or not member.votes:
            yield UsageError(
                "etcd has a member that is no master of this cluster, or never got a vote",
                seen=member.told,
                hint="if it is a remnant of something that was given up: `etcdctl.sh member remove ID` on a master",
            )


def losses(members: Sequence[EtcdMember], working: Collection[str], leaving: Sequence[Machine]) -> Iterator[UsageError]:
    """The first vote that etcd can't spare, if they go in this order.

    Args:
        members: all that there are.
        working: peer URLs of those that take part in a quorum now.
        leaving: masters whose votes go.
    """
    machines = {etcd.peer_url(str(machine.address)): machine for machine in leaving}
    loss = first_loss(members, working, [*machines])
    if loss is not None:
        yield UsageError(
            f"without it, {loss}, and the cluster would stand still",
            host=machines[loss.peer].name,
            seen=loss.seen,
            hint="bring the others up first; name those that never come back too, with --gone",
        )
