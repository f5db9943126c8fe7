from __future__ import annotations

import pytest
from step_world import World

from klusterkit.engine.errors import CommandFailed, PermanentError
from klusterkit.tasks.kernel import Modules, Sysctl
from tests.support.posix import said

FORWARD = Sysctl(values={"net.ipv4.ip_forward": "1"})


@pytest.fixture
def world() -> World:
    made = World()
    made.tree.makedirs("/proc/sys/net/ipv4/conf/eth0.100")
    made.tree.write("/proc/sys/net/ipv4/ip_forward", "0\n")
    made.tree.write("/proc/sys/net/ipv4/conf/eth0.100/forwarding", "0\n")
    return made


def test_modules_are_loaded_now_and_at_boot(world: World) -> None:
    world.do(Modules(names=("overlay", "br_netfilter")))

    assert world.tree.find("/sys/module/br_netfilter")
    assert world.tree.read("/etc/modules-load.d/klusterkit.conf") == b"overlay\nbr_netfilter\n"


def test_a_module_that_was_loaded_stays_loaded(world: World) -> None:
    world.tree.makedirs("/sys/module/overlay")
    step = Modules(names=("overlay", "br_netfilter"))
    world.undo(step, world.do(step))

    assert world.tree.find("/sys/module/overlay")
    assert world.tree.find("/sys/module/br_netfilter") is None


def test_a_module_in_use_may_stay_when_the_step_is_taken_back(world: World) -> None:
    step = Modules(names=("br_netfilter",))
    before = world.do(step)
    world.host.program("modprobe", lambda *_: said(1, err="modprobe: FATAL: Module br_netfilter is in use."))
    world.undo(step, before)

    assert world.tree.find("/etc/modules-load.d/klusterkit.conf") is None


def test_a_module_that_the_kernel_lacks_is_said(world: World) -> None:
    with pytest.raises(CommandFailed, match="the kernel module zfs can't be loaded") as caught:
        world.do(Modules(names=("zfs",)))

    assert caught.value.seen == "modprobe: FATAL: Module zfs not found."


def test_a_host_that_loads_no_modules_has_what_its_kernel_has(world: World) -> None:
    """A container, or a kernel with everything built in."""
    world.host.program("modprobe", lambda *_: said(127))
    world.do(Modules(names=("overlay", "br_netfilter")))

    with pytest.raises(CommandFailed, match="the kernel module ip_vs can't be loaded"):
        world.do(Modules(names=("ip_vs",), name="more"))


def test_settings_hold_now_and_at_boot(world: World) -> None:
    world.do(FORWARD)

    assert world.tree.read("/proc/sys/net/ipv4/ip_forward") == b"1\n"
    assert world.tree.read("/etc/sysctl.d/klusterkit.conf") == b"net.ipv4.ip_forward = 1\n"


def test_a_setting_says_what_it_is(world: World) -> None:
    assert world.observe(FORWARD).reason == (
        "net.ipv4.ip_forward is 0, wanted 1; /etc/sysctl.d/klusterkit.conf doesn't say so"
    )


def test_a_key_may_hold_an_interface_with_a_dot(world: World) -> None:
    world.do(Sysctl(values={"net/ipv4/conf/eth0.100/forwarding": "1"}))

    assert world.tree.read("/proc/sys/net/ipv4/conf/eth0.100/forwarding") == b"1\n"


def test_the_same_key_in_its_other_spelling(world: World) -> None:
    world.do(Sysctl(values={"net.ipv4.conf.eth0/100.forwarding": "1"}))

    assert world.tree.read("/proc/sys/net/ipv4/conf/eth0.100/forwarding") == b"1\n"


def test_a_setting_that_the_kernel_lacks_is_said(world: World) -> None:
    step = Sysctl(values={"net.bridge.bridge-nf-call-iptables": "1"})
    with pytest.raises(PermanentError, match=r"net\.bridge\.bridge-nf-call-iptables can't be set to 1") as caught:
        world.do(step)

    assert caught.value.seen == "there is no /proc/sys/net/bridge/bridge-nf-call-iptables"
    assert caught.value.hint


def test_differences_are_the_texts_of_the_file(world: World) -> None:
    world.tree.write("/etc/sysctl.d/klusterkit.conf", "vm.swappiness = 1\n")
    (difference,) = FORWARD.differences(world.on(), world.observe(FORWARD))

    assert (difference.old, difference.new) == ("vm.swappiness = 1\n", "net.ipv4.ip_forward = 1\n")
