"""Two KlusterKits don't work on one host, a dead one doesn't keep the next away, and an old state file is refused."""

import contextlib
import json
import os
import re
import signal
import threading

import pytest
from clients import client, lines, until

from klusterkit.engine.errors import HostLocked, HostUnreachable
from klusterkit.engine.host import HOME
from klusterkit.hosts import Lease
from klusterkit.hosts.errors import ForeignCluster, StaleState


def lease(serial=6, lineage="cluster", run="r2", who="second@desktop"):
    return Lease(lineage, serial, who, run)


def take(host, held):
    with host.fleet(lease=held) as fleet:
        fleet["h"].connect()


def test_a_lock_that_is_held_names_its_holder_and_since_when(own_host):
    with own_host.fleet(lease=lease(run="r1", who="first@laptop")) as fleet:
        fleet["h"].connect()
        with pytest.raises(HostLocked) as caught:
            take(own_host, lease())
        assert "first@laptop" in caught.value.seen
        assert re.search(r"since 20\S+Z", caught.value.seen)
        assert caught.value.exit_code == 4
    take(own_host, lease(serial=7))


def test_who_only_looks_takes_no_lock_and_leaves_no_trace(own_host):
    with own_host.fleet(lease=lease()) as fleet, own_host.fleet() as other:
        fleet["h"].connect()
        other["h"].stat("/etc")
    own_host.power_off()
    own_host.start()
    with own_host.fleet() as other:
        other["h"].facts()
        other["h"].stat(HOME)
        assert other["h"].stat("/run/klusterkit/lock")[0].type == "absent"


def test_the_lock_is_free_again_when_its_holder_was_killed(own_host):
    with client(own_host, "hold") as process:
        with pytest.raises(HostLocked):
            take(own_host, lease())
        process.kill()
        process.wait()
        until(lambda: not _locked(own_host))


def test_a_resumed_run_attaches_to_its_own_program_and_another_run_waits_for_it(own_host):
    with own_host.fleet() as looking:
        with client(own_host, "job") as process:
            until(lambda: lines(looking["h"], "/run/kk-job") == ["started"])
            process.kill()
            process.wait()
        until(lambda: not _refusal(own_host, None))
        assert "r1.0/task/1" in _refusal(own_host, lease())
        with own_host.fleet(lease=lease(serial=5, run="r1")) as fleet:
            assert fleet["h"].job("r1.0/task/1", ["false"]).text == "result"
        assert lines(looking["h"], "/run/kk-job") == ["started", "ended"]
        take(own_host, lease(serial=6))


def test_a_short_program_of_a_killed_run_is_waited_for(own_host):
    with own_host.fleet() as looking:
        looking["h"].connect()
        with client(own_host, "run") as process:
            until(
                lambda: looking["h"].run(["sh", "-c", "grep -l kk-run /proc/[0-9]*/cmdline | grep -cv self"]).text > "1"
            )
            process.kill()
            process.wait()
        until(lambda: "another" not in _refusal(own_host, None))
        take(own_host, lease(serial=5, run="r1"))
        assert lines(looking["h"], "/run/kk-run") == ["ended"]


def test_what_systemd_or_a_long_program_leaves_running_keeps_no_lock(own_host):
    with own_host.fleet(lease=lease()) as fleet:
        fleet["h"].job("r2.0/t/1", ["sh", "-c", "setsid sleep 30 & exit 0"])
    take(own_host, lease())


def test_a_connection_that_died_unnoticed_gives_its_lock_to_its_own_successor(own_host):
    """sshd of the old connection is stopped: it notices nothing, as when packets just don't arrive any more."""
    mine = lease()
    with own_host.fleet(lease=mine) as fleet:
        fleet["h"].run(["true"])
        stopped = [pid for pid in own_host.pids("sshd") if pid != own_host.init]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            take(own_host, mine)
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


def test_a_machine_of_the_same_name_is_no_successor(own_host, tmp_path, monkeypatch):
    with own_host.fleet(lease=lease()) as fleet:
        fleet["h"].run(["true"])
        other = tmp_path / "machine-id"
        other.write_text("that of another machine\n")
        monkeypatch.setattr("klusterkit.hosts.lease._MACHINE_ID", other)
        assert "second@desktop" in _refusal(own_host, lease())
        assert fleet["h"].run(["echo", "mine"]).text == "mine"


def test_a_lock_that_a_dead_connection_holds_can_be_broken(own_host):
    with own_host.fleet(lease=lease(who="dead@laptop")) as fleet:
        fleet["h"].run(["true"])
        stopped = [pid for pid in own_host.pids("sshd") if pid != own_host.init]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            assert "dead@laptop" in _refusal(own_host, lease(serial=7))
            with own_host.fleet() as other:
                assert other["h"].lock_holder().who == "dead@laptop"
                other["h"].break_lock()
                assert other["h"].lock_holder() is None
            take(own_host, lease(serial=7))
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


def test_a_connection_that_was_cut_takes_the_lock_again(own_host):
    with own_host.fleet(lease=lease()) as fleet:
        fleet["h"].run(["true"])
        own_host.cut()
        assert fleet["h"].stat("/etc")[0].type == "directory"
        with pytest.raises(HostLocked):
            take(own_host, lease(run="r3", serial=7))


def test_a_run_whose_lock_went_to_another_stops(own_host):
    with own_host.fleet(lease=lease(serial=5, run="r1")) as fleet:
        fleet["h"].run(["true"])
        own_host.cut()
        until(lambda: not _locked(own_host))
        with own_host.fleet(lease=lease(serial=6)) as other:
            other["h"].connect()
            with pytest.raises(HostLocked):
                fleet["h"].stat("/etc")


def test_an_older_state_file_is_refused_with_what_was_seen_and_by_whom(own_host):
    take(own_host, Lease("cluster", 9, "first@laptop", "r1"))
    with pytest.raises(StaleState) as caught:
        take(own_host, lease(serial=7))
    assert "ours is 7; seen was 9, by first@laptop" in caught.value.seen
    take(own_host, lease(serial=10))
    with pytest.raises(StaleState):
        take(own_host, Lease("cluster", 9, "first@laptop", "r1"))


def test_of_two_runs_from_one_copy_of_the_state_the_second_is_refused(own_host):
    take(own_host, lease(run="r1"))
    take(own_host, lease(run="r1"))
    with pytest.raises(StaleState):
        take(own_host, lease(run="r2"))


def test_another_clusters_host_is_refused(own_host):
    take(own_host, lease())
    with pytest.raises(ForeignCluster) as caught:
        take(own_host, lease(lineage="other"))
    assert f"{HOME}/fence.json" in caught.value.hint


def test_the_fence_outlives_a_power_cut_and_is_roots_alone(own_host):
    take(own_host, lease(serial=8))
    own_host.power_off()
    own_host.start()
    with own_host.fleet() as fleet:
        fence = json.loads(fleet["h"].read(f"{HOME}/fence.json"))
        assert (fence["lineage"], fence["serial"]) == ("cluster", 8)
        assert [entry.mode for entry in fleet["h"].stat(HOME, f"{HOME}/fence.json")] == [0o700, 0o600]


def test_of_many_that_want_the_lock_at_once_one_gets_it(own_host):
    held, refused = [], []
    done = threading.Event()

    def want(number):
        try:
            with own_host.fleet(lease=lease(run=f"r{number}")) as fleet:
                fleet["h"].connect()
                held.append(number)
                done.wait(15)
        except HostLocked:
            refused.append(number)
        if len(refused) == 3:
            done.set()

    threads = [threading.Thread(target=want, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(held), len(refused)) == (1, 3)


def _locked(host):
    return bool(_refusal(host, lease(serial=5, run="r1")))


def _refusal(host, held):
    if held is None:
        with host.fleet() as fleet:
            taken = fleet["h"].run(["flock", "-n", "/run/klusterkit/lock", "true"]).rc
            return "another" if taken else ""
    try:
        take(host, held)
    except (HostLocked, HostUnreachable) as error:
        return f"{error} {error.seen}"
    return ""
