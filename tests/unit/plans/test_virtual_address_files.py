"""Files of the virtual address: what keepalived is told, what it asks, and how it gives the address up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from klusterkit.cluster import Vip
from klusterkit.plans.files import keepalived, units


def configured(*peers: str, vip: str = "10.0.0.100", address: str = "10.0.0.5") -> str:
    return keepalived.configuration(Vip.of(address=vip, router_id=51), "eth0", address, peers, 6443)


def test_no_two_masters_take_the_address_over_at_the_same_moment() -> None:
    seven = [f"10.0.0.{number}" for number in range(5, 12)]
    texts = [configured(*(peer for peer in seven if peer != own), address=own) for own in seven]
    priorities = [int(text.split("priority ")[1].split()[0]) for text in texts]
    assert priorities == sorted({*priorities}, reverse=True)
    assert all(0 < priority < 255 for priority in priorities)


def test_masters_share_an_address_by_unicast_and_none_takes_it_from_another() -> None:
    said = configured("10.0.0.6", "10.0.0.7").split()
    assert {"nopreempt", "BACKUP", "enable_script_security"} <= {*said}
    assert "MASTER" not in said
    assert " ".join(said[said.index("unicast_peer") :]).startswith("unicast_peer { 10.0.0.6 10.0.0.7 }")


@pytest.mark.parametrize(
    ("vip", "address", "loopback"), [("10.0.0.100", "10.0.0.5", "127.0.0.1"), ("fd00::9", "fd00::5", "::1")]
)
def test_a_master_without_peers_never_uses_multicast(vip: str, address: str, loopback: str) -> None:
    said = configured(vip=vip, address=address).split()
    assert said[said.index("unicast_peer") :][:4] == ["unicast_peer", "{", loopback, "}"]


def test_the_check_asks_this_hosts_api_server_first() -> None:
    assert f'"{keepalived.CHECK_PATH} 10.0.0.5:6443 10.0.0.6:6443"' in configured("10.0.0.6")
    assert f'"{keepalived.CHECK_PATH} [fd00::5]:6443"' in configured(vip="fd00::9", address="fd00::5")


HTTP_ERROR, DEAD, TIMED_OUT = 22, 7, 28
"""curl's exit codes."""


def asked(tmp_path: Path, **ends: int) -> tuple[bool, list[str]]:
    """Run the check with a curl that ends so for these hosts, with 0 for others: whether to hold the address."""
    curl = tmp_path / "curl"
    cases = "".join(f"https://{host}:6443/readyz) exit {code} ;;\n" for host, code in ends.items())
    last = "#!/bin/sh\nfor url; do :; done\n"
    curl.write_text(
        f'{last}host=${{url#https://}}\necho "${{host%%:*}}" >>{tmp_path}/log\ncase "$url" in {cases}esac\n'
    )
    curl.chmod(0o755)
    check = tmp_path / "check"
    check.write_text(keepalived.CHECK)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    ended = subprocess.run(["sh", check, "own:6443", "one:6443", "two:6443"], env=environment, check=False)
    return ended.returncode == 0, (tmp_path / "log").read_text().split()


@pytest.mark.parametrize(
    ("ends", "holds", "asks"),
    [
        ({}, True, ["own"]),
        ({"own": DEAD}, False, ["own"]),
        ({"own": HTTP_ERROR, "one": HTTP_ERROR}, False, ["own", "one", "two"]),
        ({"own": HTTP_ERROR, "one": HTTP_ERROR, "two": HTTP_ERROR}, True, ["own", "one", "two"]),
        ({"own": TIMED_OUT, "one": DEAD}, False, ["own", "one", "two"]),
        ({"own": TIMED_OUT, "one": TIMED_OUT, "two": TIMED_OUT}, True, ["own", "one", "two"]),
    ],
    ids=["it is ready", "it is dead", "its etcd is down", "all of etcd is", "it hangs", "all hosts are busy"],
)
def test_the_address_moves_where_that_helps(tmp_path: Path, ends: dict[str, int], holds: bool, asks: list[str]) -> None:
    assert asked(tmp_path, **ends) == (holds, asks)


HELD = "echo '2: eth0    inet 10.0.0.100/32 scope global eth0'"
"""What a master with the address has ``ip`` say."""


def waited(tmp_path: Path, process: str, held: str, script: str = keepalived.HAND_OVER) -> str:
    """Have a host whose ``ip`` does this hand the address over. How many seconds it waited before it did."""
    for name, does in {"ip": f'echo "$*" >{tmp_path}/asked\n{held}', "sleep": f'echo "$*" >{tmp_path}/slept'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    own, slept = tmp_path / "hand-over", tmp_path / "slept"
    own.write_text(script)
    arguments = ["sh", own, process, "10.0.0.100/32", "eth0", "1.5"]
    subprocess.run(arguments, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)
    asked = tmp_path / "asked"
    assert not process or asked.read_text() == "-oneline address show dev eth0 to 10.0.0.100/32\n"
    return slept.read_text().strip() if slept.exists() else ""


KEEPALIVED = """
import os, signal, subprocess
child = subprocess.Popen(["sleep", "60"]).pid
print(child, flush=True)
_, how = os.waitpid(child, os.WUNTRACED)
if os.WIFSTOPPED(how):
    os.kill(child, signal.SIGKILL)
    print("stopped")
else:
    print("went on")
"""
"""A process whose child speaks to others. It says what became of that, until somebody ended it."""


def became_of_it(tmp_path: Path, held: str, script: str = keepalived.HAND_OVER) -> tuple[str, str]:
    """Have a host hand the address over. What became of the process that speaks, and how long the host waited."""
    with subprocess.Popen([sys.executable, "-c", KEEPALIVED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        try:
            waits = waited(tmp_path, str(process.pid), held, script)
        finally:
            os.kill(child, signal.SIGTERM)  # which one that is stopped doesn't hear of
        said = process.stdout.read().strip()
    return said or signal.Signals(-process.returncode).name, waits


def test_the_master_with_the_address_falls_silent_and_keeps_it_until_another_has_it(tmp_path: Path) -> None:
    assert became_of_it(tmp_path, HELD) == ("stopped", "1.5")


def test_a_master_without_the_address_has_nothing_to_hand_over(tmp_path: Path) -> None:
    assert became_of_it(tmp_path, "true") == ("went on", "")


def test_where_the_kernel_does_not_tell_which_process_speaks_keepalived_gives_the_address_up_itself(
    tmp_path: Path,
) -> None:
    silent = keepalived.HAND_OVER.replace("/children", "/no-such-file")
    assert silent != keepalived.HAND_OVER
    assert became_of_it(tmp_path, HELD, silent) == ("SIGTERM", "0.5")


def test_nobody_waits_for_a_keepalived_that_is_gone(tmp_path: Path) -> None:
    assert waited(tmp_path, "", HELD) == ""


def test_its_unit_hands_the_address_over_and_lets_no_process_go_on_that_could_take_it_back() -> None:
    lines = units.keepalived("/root", "10.0.0.100/32", "eth0", can_lower_oom_score=True).splitlines()
    said = {name: value for name, _, value in (line.partition("=") for line in lines)}
    assert said["ExecStop"] == f"-{keepalived.HAND_OVER_PATH} ${{MAINPID}} 10.0.0.100/32 eth0 1.5"
    assert said["KillSignal"] == said["SuccessExitStatus"] == "SIGKILL"
    assert {"etcd.service", "containerd.service", "kubelet.service"} <= {*said["After"].split()}, "they stop after it"


def test_the_others_are_told_once_more_when_the_old_one_answers_for_the_address_no_more() -> None:
    """Who asked while both did may have heard the old one last. The new one has it after two signs of life at least."""
    delay = int(configured("10.0.0.6").split("garp_master_delay ")[1].split()[0])
    assert 2 * keepalived.ADVERTISEMENT + delay > keepalived.HAND_OVER_SECONDS + 0.5


def test_the_address_stays_until_the_lowest_of_seven_masters_has_taken_it() -> None:
    """When those others are gone. RFC 9568, 6.1: three advertisements and the skew time, here in seconds."""
    lowest = configured(*(f"10.0.0.{number}" for number in range(5, 11)), address="10.0.0.11")
    skew = (256 - int(lowest.split("priority ")[1].split()[0])) * keepalived.ADVERTISEMENT / 256
    assert 3 * keepalived.ADVERTISEMENT + skew + 0.4 < keepalived.HAND_OVER_SECONDS
