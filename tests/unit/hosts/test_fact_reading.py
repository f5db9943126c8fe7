"""Facts of hosts that no test machine is: other resolvers, cgroup version 2, systemd-resolved, no default route."""

import pytest

from klusterkit.engine.errors import CommandFailed
from klusterkit.hosts import Question
from klusterkit.hosts.lane import Reply
from klusterkit.hosts.looking import facts_from

SEEN = {
    "clock": "1800000000.5",
    "hostname": "node1",
    "machine_id": "0123456789abcdef0123456789abcdef",
    "kernel": "6.1.0-28-arm64",
    "init": "systemd",
    "os": 'PRETTY_NAME="Rocky Linux 9.4"\nID="rocky"\nVERSION_ID="9.4"\n',
    "machine": "aarch64\n",
    "cpus": "8\n",
    "memory": "MemTotal: 16000 kB\nMemFree:  100 kB\nMemAvailable: 9000 kB\nSwapTotal: 512 kB\nHugePages_Total:  0\n",
    "disk": "1000 4096\n",
    "capabilities": "CapEff:\t000001ffffffffff\n",
    "unified": "1",
    "conntrack": "1",
    "resolver": "nameserver 127.0.0.53\noptions edns0\n",
    "stub": "nameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.2\n",
    "addresses": "1: lo    inet 127.0.0.1/8 scope host lo\n"
    "2: eth0    inet 10.0.0.5/24 brd 10.0.0.255 scope global eth0\n"
    "2: eth0    inet6 fe80::1/64 scope link\n3: eth1@if7    inet6 fd00::5/64 scope global\n",
    "route": "default via 10.0.0.1 dev eth0 proto dhcp\n",
    "listening": "   0: 00000000:0016 00000000:0000 0A 00\n   1: 0100007F:192B 00000000:0000 0A 00\n"
    "   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00\n",
    "programs": "tar\nmodprobe\n",
    "active": "active\ninactive\nunknown\n",
    "features": "overlay\n",
    "modules": "1",
    "then": "1800000000.7",
}
QUESTION = Question(
    programs=("ip", "tar"),
    units=("a.service", "b.service", "c.service"),
    paths=("/x", "/y\n"),
    kernel_features=("overlay", "vxlan"),
)


def look(*paths, asked=1799999999.9, answered=1800000000.3, **changes):
    fields = [text for pair in (SEEN | changes).items() for text in pair] + list(paths)
    reply = Reply(0, "".join(f"{field}\0" for field in fields).encode(), b"")
    return facts_from("h", reply, QUESTION, asked=asked, answered=answered)


def test_a_host_is_told_as_it_is():
    facts = look("/y\n")
    assert (facts.os, facts.architecture, facts.cpus, facts.cgroup) == ("rocky-9.4", "arm64", 8, 2)
    assert (facts.memory, facts.memory_available, facts.swap) == (16000 << 10, 9000 << 10, 512 << 10)
    assert facts.disk_free == 4096000
    assert facts.interfaces == {"eth0": ("10.0.0.5/24",), "eth1": ("fd00::5/64",)}
    assert facts.addresses == ("10.0.0.5/24", "fd00::5/64")
    assert (facts.interface_of("fd00::5"), facts.interface_of("10.0.0.50")) == ("eth1", None)
    assert (facts.default_interface, facts.default_address) == ("eth0", "10.0.0.5")
    assert facts.listening == (22, 6443)
    assert (facts.programs, facts.services, facts.paths) == (("tar",), ("a.service",), ("/y\n",))
    assert facts.kernel_features == ("overlay",)
    assert facts.has_modprobe
    assert facts.can_lower_oom_score


def test_features_are_told_in_the_order_in_which_they_are_asked_for():
    assert look(features="vxlan\noverlay\n").kernel_features == ("overlay", "vxlan")


def test_the_clocks_differ_by_as_much_as_the_way_there_and_back_does_not_explain():
    assert look().clock_offset == pytest.approx(0.4, abs=0.001)


def test_a_slow_answer_is_no_difference_of_clocks():
    assert look(asked=1799999990.0, answered=1800000010.0).clock_offset == 0.0


def test_behind_the_stub_of_systemd_resolved_are_the_real_name_servers():
    assert look().name_servers == ("10.0.0.2", "10.0.0.3")
    assert look(resolver="nameserver 10.9.9.9\n").name_servers == ("10.9.9.9",)
    assert look(resolver="", stub="").name_servers == ()
    assert look(resolver="nameserver 127.0.0.1\nnameserver ::1\n", stub="").name_servers == ()


def test_without_a_default_route_the_first_interface_counts():
    assert (look(route="").default_interface, look(route="").default_address) == ("eth0", "10.0.0.5")
    assert look(route="", addresses="").default_interface == ""


def test_a_modprobe_without_modules_for_the_running_kernel_is_none():
    assert look().has_modprobe
    assert not look(modules="0").has_modprobe
    assert not look(programs="tar\n").has_modprobe


def test_a_bounded_set_of_capabilities_cannot_lower_an_oom_score():
    assert not look(capabilities="CapEff:\t000001fffeffffff\n").can_lower_oom_score


def test_a_host_that_lacks_what_is_needed_to_look_is_refused_with_words():
    with pytest.raises(CommandFailed, match="h can't be looked at") as caught:
        look(cpus="")
    assert "coreutils" in caught.value.hint
