"""The single file, on hosts that have no Python."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from klusterkit.session.supply.tools import tools_file
from tests.support.lab import Lab
from tests.support.onefile import PLACE, HostWithTools, onefile

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def host():
    lab = Lab(f"onefile-{os.getpid()}")
    try:
        lab("up", "bare")
        made = HostWithTools(lab, "bare")
        made.install()
        yield made
    finally:
        lab("down", "--all", check=False)


@pytest.fixture(autouse=True)
def never_used(host):
    host("rm -rf /var/cache/klusterkit")


def test_each_tool_runs_on_a_host_without_python(host):
    assert host("command -v python3", rc=None).rc != 0
    for tool in ("cctl", "etcdadm", "nodeadm"):
        assert host.run(tool, "version").out.startswith("KlusterKit ")
        assert f"Usage: {tool}" in host.run(tool, "--help").out


def test_its_checksum_lies_beside_it():
    path = onefile()
    digest, name = path.with_name(f"{path.name}.sha256").read_text().split()
    assert (digest, name) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.name)


def test_it_may_go_into_a_bundle():
    assert tools_file(onefile(), "amd64").content == onefile().read_bytes()


def test_it_is_unpacked_once(host):
    host.run("cctl", "version")
    before = host("ls -ld --time-style=full-iso /var/cache/klusterkit/programs/*").out
    host.run("etcdadm", "version")
    assert host("ls -ld --time-style=full-iso /var/cache/klusterkit/programs/*").out == before


def test_started_many_times_at_once_it_is_whole_and_unpacked_once(host):
    with ThreadPoolExecutor(6) as pool:
        said = {each.out for each in pool.map(lambda _: host.run("cctl", "version"), range(6))}
    assert len(said) == 1
    assert len(host("ls /var/cache/klusterkit/programs").out.split()) == 1


def test_cut_short_it_refuses_and_leaves_nothing(host):
    host(f"head -c 9000000 {PLACE}/cctl > /root/cctl && chmod 755 /root/cctl")
    ended = host("/root/cctl version", rc=1)
    assert "damaged or was cut short" in ended.err
    assert host("ls /var/cache/klusterkit/programs").out == ""


def test_killed_while_it_unpacks_it_starts_the_next_time(host):
    host("timeout -s KILL 0.15 cctl version", rc=None)
    assert host.run("cctl", "version").out.startswith("KlusterKit ")


def test_without_room_it_says_so(host):
    with_little = (
        "mount -t tmpfs -o size=5M tmpfs /mnt && trap 'umount /mnt' EXIT && KLUSTERKIT_CACHE=/mnt cctl version"
    )
    ended = host(with_little, rc=1)
    assert "no room at /mnt" in ended.err


def test_what_another_user_put_in_its_place_is_not_run(host):
    host.run("cctl", "version")
    host("cd /var/cache/klusterkit/programs/* && rm klusterkit && printf '#!/bin/sh\\necho taken over\\n' >klusterkit")
    host("cd /var/cache/klusterkit/programs/* && chmod 755 klusterkit && chown nobody klusterkit")
    ended = host.run("cctl", "version", rc=None)
    assert ended.rc == 1
    assert "taken over" not in ended.out
    assert "belongs to somebody else" in ended.err
