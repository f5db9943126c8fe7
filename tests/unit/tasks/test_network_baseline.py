from __future__ import annotations

from collections.abc import Sequence

import pytest
from step_world import World, notes

from klusterkit.engine.errors import CommandFailedTemporarily
from klusterkit.engine.host import Completed
from klusterkit.hosts.simulated.machine import Machine
from klusterkit.tasks.network import Baseline
from tests.support.posix import connect, ip, said

STEP = Baseline()


@pytest.fixture
def world() -> World:
    return World()


def links(world: World) -> list[str]:
    return list(world.tree.find("/sys/class/net").children)


def test_it_is_remembered_once(world: World) -> None:
    world.do(STEP)

    assert world.observe(STEP).satisfied


def test_links_that_came_since_are_deleted_and_no_others(world: World) -> None:
    world.tree.makedirs("/sys/class/net/veth-mine")
    before = world.do(STEP)
    for name in ("cni0", "flannel.1", "wg0"):
        world.tree.makedirs(f"/sys/class/net/{name}")
    connect(world.host.machine, "veth0", master="cni0")
    world.undo(STEP, before)

    assert links(world) == ["eth0", "veth-mine", "wg0"]


def test_links_of_other_programs_containers_stay_though_they_are_called_like_those_of_pods(world: World) -> None:
    """Docker's and LXC's, started since; and the two ends of a pair that somebody has made."""
    before = world.do(STEP)
    for name in ("cni0", "docker0", "lxcbr0", "veth-a", "veth-b"):
        world.tree.makedirs(f"/sys/class/net/{name}")
    world.tree.makedirs("/run/netns/theirs")
    connect(world.host.machine, "veth0", master="cni0", netns="")
    connect(world.host.machine, "veth9f3a1b2", master="docker0")
    connect(world.host.machine, "vethQ7", master="lxcbr0", netns="theirs")
    world.undo(STEP, before)

    assert sorted(links(world)) == ["docker0", "eth0", "lxcbr0", "veth-a", "veth-b", "veth9f3a1b2", "vethQ7"]


@pytest.mark.parametrize("link", ["veth1", "lxc1a2b3c"])
def test_links_of_pods_are_known_without_a_bridge_by_the_namespace_that_they_lead_to(world: World, link: str) -> None:
    """Of networks that have none, and where it is gone by now."""
    before = world.do(STEP)
    world.tree.makedirs("/run/netns/cni-1")
    connect(world.host.machine, link, master="cni0", netns="cni-1")
    world.undo(STEP, before)

    assert links(world) == ["eth0"]


def test_an_undo_that_was_cut_off_still_knows_a_pods_links_by_their_bridge(world: World) -> None:
    before = world.do(STEP)
    world.tree.makedirs("/sys/class/net/cni0")
    for name in ("veth1", "veth2"):
        connect(world.host.machine, name, master="cni0")
    deleted: list[str] = []

    def busy(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
        if argv[1:3] == ["link", "delete"]:
            deleted.append(argv[3])
            if len(deleted) == 2:
                return said(2, err="RTNETLINK answers: Device or resource busy")
        return ip(machine, argv, stdin)

    world.host.program("ip", busy)
    with pytest.raises(CommandFailedTemporarily):
        world.undo(STEP, before)
    world.undo(STEP, before)
    assert links(world) == ["eth0"]
    assert deleted[-1] == "cni0"


def test_where_it_can_not_be_seen_whose_links_are_none_is_deleted(world: World) -> None:
    before = world.do(STEP)
    world.tree.makedirs("/sys/class/net/veth0")
    world.host.program("ip", lambda *_: said(1, err="Cannot open netlink socket"))

    with pytest.raises(CommandFailedTemporarily, match="whose links are"):
        world.undo(STEP, before)
    assert "veth0" in links(world)


def test_what_a_network_knows_of_the_node_goes_and_nobody_elses_folder(world: World) -> None:
    """A worker that came back made its bridge with the subnet that it had before (seen in the lab)."""
    world.tree.makedirs("/run/mine")
    before = world.do(STEP)
    world.tree.makedirs("/run/flannel")
    world.tree.write("/run/flannel/subnet.env", "FLANNEL_SUBNET=10.244.3.1/24\n")
    world.undo(STEP, before)

    assert world.tree.find("/run/flannel") is None
    assert world.tree.find("/run/mine") is not None


def test_a_folder_that_was_there_before_stays(world: World) -> None:
    world.tree.makedirs("/run/flannel")
    world.tree.write("/run/flannel/subnet.env", "FLANNEL_SUBNET=10.244.3.1/24\n")
    world.undo(STEP, world.do(STEP))

    assert world.tree.find("/run/flannel/subnet.env") is not None


def test_a_link_that_goes_by_itself_is_no_error(world: World) -> None:
    """A pair of links goes when its other end does."""
    before = world.do(STEP)
    connect(world.host.machine, "veth0", netns="cni-1")
    world.tree.makedirs("/run/netns/cni-1")

    def gone(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
        if argv[1:3] != ["link", "delete"]:
            return ip(machine, argv, stdin)
        world.tree.remove("/sys/class/net/veth0", recursive=True)
        return said(1, err="Cannot find device")

    world.host.program("ip", gone)
    world.undo(STEP, before)
    assert links(world) == ["eth0"]


def test_a_link_that_can_not_be_deleted_is_said(world: World) -> None:
    before = world.do(STEP)
    world.tree.makedirs("/sys/class/net/cni0")
    world.host.program("ip", lambda *_: said(2, err="RTNETLINK answers: Device or resource busy"))

    with pytest.raises(CommandFailedTemporarily, match="cni0, which came since, can't be deleted"):
        world.undo(STEP, before)


def test_tables_of_others_stay(world: World) -> None:
    before = world.do(STEP)
    world.tree.write("/proc/nft", "table inet firewall\ntable inet fail2ban\ntable ip kube-proxy\ntable ip nat\n")
    world.undo(STEP, before)

    assert world.tree.read("/proc/nft") == b"table inet firewall\ntable inet fail2ban\n"


def test_counters_and_comments_are_no_difference(world: World) -> None:
    rules = "*filter\n:INPUT DROP [{0}:{0}]\n-A INPUT -j ACCEPT\nCOMMIT\n"
    world.tree.write("/proc/filter/iptables-nft", rules.format(1))
    before = world.do(STEP)
    world.tree.write("/proc/filter/iptables-nft", rules.format(2))
    world.host.program("iptables-nft-restore", lambda *_: said(1, err="must not be called"))
    world.undo(STEP, before)


def test_rules_that_can_not_be_put_back_are_said(world: World) -> None:
    before = world.do(STEP)
    world.tree.write("/proc/filter/iptables-nft", "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j KUBE-X\nCOMMIT\n")
    world.host.program(
        "iptables-nft-restore", lambda *_: said(4, err="Another app is currently holding the xtables lock")
    )

    with pytest.raises(CommandFailedTemporarily, match="can't be put back with iptables-nft-restore"):
        world.undo(STEP, before)


BROUGHT = """\
:KUBE-FIREWALL - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
-A INPUT -m comment --comment "kubernetes health" -j KUBE-FIREWALL
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A KUBE-FIREWALL -m conntrack --ctstate INVALID -j DROP
"""
EARLIER = ":KUBE-EARLIER - [0:0]\n-A INPUT -j KUBE-EARLIER\n"
OWN_BEFORE = ":INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:MINE - [0:0]\n-A INPUT -j MINE\n"
OWN_SINCE = (
    ":INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:MINE - [0:0]\n-A INPUT -j MINE\n-A INPUT -p tcp --dport 22 -j ACCEPT\n"
)


@pytest.mark.parametrize(
    ("before", "since", "after"),
    [
        (OWN_BEFORE, OWN_BEFORE + BROUGHT, OWN_BEFORE),
        (OWN_BEFORE, OWN_SINCE + BROUGHT, OWN_SINCE),
        (OWN_BEFORE, OWN_SINCE, OWN_SINCE),
        ("", OWN_SINCE + BROUGHT, OWN_SINCE),
        (EARLIER + OWN_BEFORE, OWN_BEFORE + BROUGHT, EARLIER + OWN_BEFORE),
        (EARLIER + OWN_BEFORE, OWN_SINCE + BROUGHT, OWN_SINCE + EARLIER),
    ],
    ids=[
        "brought",
        "and changed",
        "only changed",
        "where nothing was",
        "an earlier one's",
        "an earlier one's, changed",
    ],
)
def test_rules_that_were_brought_go_and_what_somebody_changed_since_stays(
    world: World, before: str, since: str, after: str
) -> None:
    """An operator who has shut a host but for SSH isn't locked out by an undo."""
    file = "/proc/filter/iptables-nft"
    world.tree.write(file, f"*filter\n{before}COMMIT\n" if before else "")
    done = world.do(STEP)
    world.tree.write(file, f"*filter\n{since}COMMIT\n")
    world.undo(STEP, done)

    assert world.tree.read(file).decode() == f"*filter\n{after}COMMIT\n"


def test_a_table_of_iptables_that_somebody_else_uses_now_stays(world: World) -> None:
    before = world.do(STEP)
    tables = "table ip filter\ntable inet filter\n"
    world.tree.write("/proc/nft", tables)
    nft = world.host.machine.programs["nft"].act

    def used(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
        if list(argv[1:3]) == ["list", "table"]:
            return said(out="table ip filter {\n\tchain INPUT {\n\t\ttcp dport 22 accept\n\t}\n}\n")
        return nft(machine, argv, stdin)

    world.host.program("nft", used)
    world.undo(STEP, before)

    assert world.tree.read("/proc/nft").decode() == tables


LOCKED = "Another app is currently holding the xtables lock"


def test_rules_of_which_it_is_not_known_what_they_were_are_left(world: World) -> None:
    """They may be somebody else's: a firewall that was there before."""
    somebodys = "*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n"
    save = world.host.machine.programs["iptables-nft-save"]
    world.host.program("iptables-nft-save", lambda *_: said(4, err=LOCKED))
    before = world.do(STEP)
    world.host.program("iptables-nft-save", save.act)
    world.tree.write("/proc/filter/iptables-nft", somebodys)
    world.undo(STEP, before)

    assert world.tree.read("/proc/filter/iptables-nft").decode() == somebodys


def test_rules_that_can_not_be_read_any_more_are_said(world: World) -> None:
    before = world.do(STEP)
    world.host.program("iptables-nft-save", lambda *_: said(4, err=LOCKED))

    with pytest.raises(CommandFailedTemporarily, match="can't be read with iptables-nft-save"):
        world.undo(STEP, before)


def test_a_host_without_any_of_the_programs_has_nothing_to_restore(world: World) -> None:
    for name in ("nft", "ip", "iptables-nft-save", "ip6tables-nft-save", "iptables-legacy-save"):
        world.host.program(name, lambda *_: said(127))
    world.undo(STEP, world.do(STEP))

    assert notes(world) == []


def test_a_baseline_of_an_earlier_run_is_not_taken_again(world: World) -> None:
    """What that run's network made is no baseline."""
    world.do(STEP)
    world.tree.makedirs("/sys/class/net/cni0")

    assert world.observe(STEP).satisfied


def test_nothing_is_taken_away_where_nothing_was_remembered(world: World) -> None:
    """A run that was ended before it remembered made nothing either."""
    world.tree.makedirs("/sys/class/net/cni0")
    world.undo(STEP, {"remembered": False})

    assert "cni0" in links(world)
