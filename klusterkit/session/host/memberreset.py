"""``etcdadm reset``: look at the host and at the members of its etcd, compile the plan that takes its member off it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from klusterkit.engine.errors import UsageError
from klusterkit.engine.host import Host
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import HostRecord
from klusterkit.plans.files.etcd import DATA
from klusterkit.plans.memberreset import MemberResetRequest, Membership, compile_member_reset
from klusterkit.plans.reset import parts
from klusterkit.session.host.hold import HostHold
from klusterkit.session.host.memberinfo import NoMember, asked
from klusterkit.session.host.reset import looked_at


class WantedMemberReset(BaseModel):
    """What the operator asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    leave: bool = True
    """Whether the member leaves its cluster first."""
    force: bool = False
    """Whether also a host is taken back that belongs to another state."""


def plan_member_reset(hold: HostHold, wanted: WantedMemberReset) -> Plan:
    """The plan that makes the host what it was. It has no tasks where nothing was done.

    Raises:
        ForeignCluster, StaleState: the host belongs to another state.
        UsageError: its member can't leave.
        HostRefused, HostUnreachable: the host can't be looked at.
    """
    hold.refuse_run_in_progress()
    hold.takes_others = wanted.force
    operation = "etcdadm reset" + (" --force" if wanted.force else "")
    with looked_at(hold, operation, force=wanted.force) as (fleet, seen):
        host, record = fleet[seen.host], seen.record
        if parts(record)[1].done and not wanted.force:
            raise UsageError(
                f"{host.name} is a node of Kubernetes, whose etcd this is",
                host=host.name,
                hint="`nodeadm reset` first; --force takes all of it back at once",
            )
        member = _membership(host) if wanted.leave and _has_etcd(record) else None
    return compile_member_reset(MemberResetRequest(**dict(seen), member=member)).changed(serial=hold.snapshot.serial)


def _has_etcd(record: HostRecord) -> bool:
    return any(done.step.subject == DATA for done in record.done)


def _membership(host: Host) -> Membership | None:
    """What the others know of the host's member; None where it is the only one.

    Raises:
        UsageError: it doesn't answer, so that nobody can be asked.
    """
    try:
        status = asked(host, "endpoint", "status")[0]["Status"]
        members = asked(host, "member", "list")["members"]
    except NoMember as error:
        raise UsageError(
            f"the member of etcd on {host.name} can't leave its cluster: it doesn't answer, or there is no quorum",
            host=host.name,
            seen=error.seen,
            hint="bring it up (`journalctl -u etcd`); or, if the others are gone for good, --skip-remove-member",
        ) from None
    own = next(each for each in members if each["ID"] == status["header"]["member_id"])
    others = [each for each in members if each is not own]
    if not others:
        return None
    clients = tuple(url for each in others for url in each.get("clientURLs", []))
    return Membership(name=own.get("name", ""), peer=own["peerURLs"][0], others=clients)
