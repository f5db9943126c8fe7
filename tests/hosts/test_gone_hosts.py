"""A host is lost for good in the middle of a run: the run ends without it, whichever way the operator wants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from private_host import PrivateHost
from small_runs import SmallSite, files

from klusterkit.cluster import Machine
from klusterkit.engine.plan import Plan, Task

ADDRESS = "192.0.2.8"
A, B, C = files("/run/a", "/run/b", "/run/c")


@pytest.fixture
def other(tmp_path: Path) -> Iterator[PrivateHost]:
    host = PrivateHost(tmp_path / "other")
    yield host
    host.power_off()


@pytest.fixture
def site(own_host: PrivateHost, other: PrivateHost, tmp_path: Path) -> SmallSite:
    """m1 is the cluster. A run that makes m2 part of it was killed when each of them had a file."""
    other.power_off()
    (other.folder / "authorized_keys").write_text((own_host.folder / "authorized_keys").read_text())
    other.start()
    site = SmallSite(own_host, tmp_path / "operator")
    ssh = site.home / ".ssh"
    for name, more in (("config", f"Host {ADDRESS}\n  HostName 127.0.0.1\n"), ("known_hosts", other.known_hosts[0])):
        (ssh / name).write_text(f"{(ssh / name).read_text()}{more}\n")
    site("apply", site.save(*files("/run/there")))
    (site.home / "join.yaml").write_text(joining(site, other.port).to_yaml())
    site("apply", "join.yaml", rc=-9, crash_after=5)
    assert there(site) == ["/run/a"]
    return site


def joining(site: SmallSite, port: int) -> Plan:
    """A file on m1, then one on m2, then one more on m1."""
    tasks = [
        Task(id="m1/a", host="m1", step=A),
        Task(id="m2/b", host="m2", step=B, needs=("m1/a",)),
        Task(id="m1/c", host="m1", step=C, needs=("m2/b",)),
    ]
    new = Machine.of(name="m2", address=ADDRESS, roles="node", port=port)
    known = {"lineage": site.snapshot["lineage"], "serial": site.snapshot["serial"]}
    return Plan(operation="join m2", tasks=tuple(tasks), outcome={"machines": [new.to_object()]}, **known)


def there(site: SmallSite) -> list[str]:
    return site.on_host("ls /run/a /run/c 2>/dev/null || true").split()


def machines(site: SmallSite) -> list[str]:
    return [each["metadata"]["name"] for each in site.snapshot["machines"]]


def test_taken_back_without_it_the_others_are_as_before_and_the_next_run_may_begin(
    site: SmallSite, other: PrivateHost
) -> None:
    other.power_off()
    failed = site("rollback", "--yes", rc=6)
    assert "cctl rollback --gone m2" in failed.out

    ended = site("rollback", "--yes", "--gone", ADDRESS)

    assert there(site) == []
    assert "m1 as before, m2 left alone" in ended.out
    assert "m2 is left as it is: should it come back, install it anew" in ended.err
    assert machines(site) == ["m1"]
    assert "no run is in progress" in site("rollback", "--yes", rc=3).err
    site("apply", site.save(*files("/run/a"), name="next.yaml"))


def test_one_that_was_installed_anew_in_the_middle_of_the_run_is_gone(site: SmallSite, other: PrivateHost) -> None:
    other.power_off()
    other.new_host_key("ed25519")
    other.start()

    ended = site("rollback", "--yes", "--gone", "m2")

    assert "m1 as before, m2 left alone" in ended.out
    assert there(site) == []


@pytest.mark.parametrize("records", [4, 7])
def test_a_run_that_makes_it_leave_is_finished_without_it(site: SmallSite, other: PrivateHost, records: int) -> None:
    """Lost while it was acted on, or when all was done but to tell it so."""
    site("resume")
    (site.home / "leave.yaml").write_text(leaving(site).to_yaml())
    site("apply", "leave.yaml", rc=-9, crash_after=records)
    other.power_off()
    site("resume", rc=6)

    ended = site("resume", "--gone", "m2")

    assert "m2 is left as it is" in ended.err
    assert machines(site) == ["m1"]
    assert site.on_host("ls /run/d /run/e").split() == ["/run/d", "/run/e"]


def leaving(site: SmallSite) -> Plan:
    """A file on m1, then one on m2 that is no machine of the cluster afterwards, then one more on m1."""
    first, second, third = files("/run/d", "/run/leave", "/run/e")
    tasks = [
        Task(id="m1/d", host="m1", step=first),
        Task(id="m2/leave", host="m2", step=second, needs=("m1/d",)),
        Task(id="m1/e", host="m1", step=third, needs=("m2/leave",)),
    ]
    known = {"lineage": site.snapshot["lineage"], "serial": site.snapshot["serial"]}
    return Plan(operation="m2 leaves", tasks=tuple(tasks), outcome={"removed": {"machines": ["m2"]}}, **known)


def test_a_run_that_makes_it_part_of_the_cluster_is_not_finished_without_it(
    site: SmallSite, other: PrivateHost
) -> None:
    other.power_off()
    before = site.state.read_bytes()

    assert "the run can't be finished without m2" in site("resume", "--gone", "m2", rc=3).err

    assert site.state.read_bytes() == before


def test_when_nobody_answers_nobody_counts_as_gone(site: SmallSite, own_host: PrivateHost, other: PrivateHost) -> None:
    own_host.power_off()
    other.power_off()
    before = site.state.read_bytes()

    assert "none of the run's hosts answers" in site("rollback", "--yes", "--gone", "m2", rc=3).err

    assert site.state.read_bytes() == before


def test_killed_on_the_way_back_it_goes_on_without_the_host_and_not_forward_any_more(
    site: SmallSite, other: PrivateHost
) -> None:
    other.power_off()
    site("rollback", "--yes", "--gone", "m2", rc=-9, crash_after=3)

    assert "is being taken back without m2" in site("resume", rc=3).err
    site("rollback", "--yes")

    assert there(site) == []


def test_one_that_answers_is_not_gone_and_nothing_is_decided(site: SmallSite) -> None:
    before = site.state.read_bytes()

    assert "m2 isn't gone: it answers" in site("rollback", "--yes", "--gone", "m2", rc=3).err
    assert "the run has no host m3" in site("rollback", "--yes", "--gone", "m3", rc=3).err

    assert site.state.read_bytes() == before
    site("rollback", "--yes")
    assert there(site) == []
