"""Long programs outlive whoever started them, run once, and are attached to by whoever asks."""

import contextlib
import os
import threading

import pytest
from clients import client, lines, until

from klusterkit.engine.errors import HostUnreachable, StepTimeout, UsageError
from klusterkit.engine.host import HOME
from klusterkit.hosts.errors import JobVanished


def test_a_program_outlives_its_client_and_a_new_one_gets_its_one_result(own_host):
    with own_host.fleet() as fleet:
        host = fleet["h"]
        host.connect()
        with client(own_host, "job-without-lease") as process:
            until(lambda: lines(host, "/run/kk-job") == ["started"])
            process.kill()
            process.wait()
        assert host.job_state("r1.0/task/1").status == "running"
        assert host.job("r1.0/task/1", ["false"]).text == "result"
        assert lines(host, "/run/kk-job") == ["started", "ended"]


def test_of_many_starts_of_one_key_one_starts(own_host):
    with own_host.fleet() as fleet, own_host.fleet() as other:
        results = []
        work = ["sh", "-c", "echo x >>/run/kk-once; sleep 0.3; echo $$"]

        def start(host):
            results.append(host.job("r/t/1", work).text)

        threads = [threading.Thread(target=start, args=(each["h"],)) for each in (fleet, other) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert lines(fleet["h"], "/run/kk-once") == ["x"]
        assert len(results) == 8
        assert len(set(results)) == 1


def test_a_cut_connection_is_made_again_while_a_program_is_waited_for(own_host):
    with own_host.fleet() as fleet:
        fleet["h"].connect()
        threading.Timer(1.0, own_host.cut).start()
        ended = fleet["h"].job("r/t/1", ["sh", "-c", "echo x >>/run/kk-once; sleep 3; echo done"])
        assert ended.text == "done"
        assert lines(fleet["h"], "/run/kk-once") == ["x"]


def test_a_program_that_ran_when_the_host_was_switched_off_has_vanished(own_host):
    with own_host.fleet() as fleet:
        host = fleet["h"]
        with own_host.fleet(patience=0.5) as other:
            waiter = threading.Thread(target=lambda: _ignore(lambda: other["h"].job("vanish.1/t/1", ["sleep", "60"])))
            waiter.start()
            until(lambda: host.job_state("vanish.1/t/1").status == "running")
            own_host.power_off()
            waiter.join(20)
            assert not waiter.is_alive()
        own_host.start()
        assert host.job_state("vanish.1/t/1").status == "vanished"
        with pytest.raises(JobVanished):
            host.job("vanish.1/t/1", ["sleep", "60"])


def test_a_reused_process_number_is_not_taken_for_the_program(own_host):
    with own_host.fleet() as fleet:
        host = fleet["h"]
        host.run(["mkdir", "-p", f"{HOME}/jobs/r/t/1"])
        boot, born = "$(cat /proc/sys/kernel/random/boot_id)", "$(cut -d' ' -f22 /proc/1/stat)"
        host.run(["sh", "-c", f"echo 1 1 {boot} >{HOME}/jobs/r/t/1/pid"])
        assert host.job_state("r/t/1").status == "vanished"
        host.run(["sh", "-c", f"echo 1 {born} another-boot >{HOME}/jobs/r/t/1/pid"])
        assert host.job_state("r/t/1").status == "vanished"
        host.run(["sh", "-c", f"echo 1 {born} {boot} >{HOME}/jobs/r/t/1/pid"])
        assert host.job_state("r/t/1").status == "running"


def test_stopping_ends_all_that_the_program_started_even_in_other_sessions(own_host):
    with own_host.fleet() as fleet, own_host.fleet() as other:
        work = ["sh", "-c", "setsid sleep 7654 & trap '' TERM; while :; do sleep 0.1; : 7654; done"]
        waiter = threading.Thread(target=lambda: other["h"].job("r/t/1", work))
        waiter.start()
        until(lambda: len(own_host.command_lines("sleep 7654")) >= 1)
        fleet["h"].job_stop("r/t/1")
        assert [line for line in own_host.command_lines("7654") if "klusterkit-job" not in line] == []
        assert fleet["h"].job_state("r/t/1").status == "ended"
        waiter.join(10)
        assert not waiter.is_alive()


def test_stopping_ends_a_program_that_is_only_just_being_started(own_host):
    with own_host.fleet() as fleet, own_host.fleet() as other:
        for turn in range(8):
            key = f"r/t/{turn}"
            waiter = threading.Thread(target=lambda key=key: other["h"].job(key, ["sleep", "7654"]))
            waiter.start()
            until(lambda key=key: fleet["h"].job_state(key).status == "running")
            fleet["h"].job_stop(key)
            assert [line for line in own_host.command_lines("7654") if "klusterkit-job" not in line] == []
            assert fleet["h"].job_state(key).completed.rc == 143
            waiter.join(10)
            assert not waiter.is_alive()


def test_the_timeout_counts_from_the_start_and_needs_nobody_who_waits(own_host):
    with own_host.fleet() as fleet, own_host.fleet() as other:
        waiter = threading.Thread(target=lambda: _ignore(lambda: other["h"].job("r/t/1", ["sleep", "60"], timeout=6)))
        waiter.start()
        until(lambda: fleet["h"].job_state("r/t/1").status == "running")
        other.close()
        with pytest.raises(StepTimeout):
            fleet["h"].job("r/t/1", ["sleep", "60"], timeout=6)
        assert own_host.command_lines("sleep 60") == []
        assert lines(fleet["h"], f"{HOME}/jobs/r/t/1/rc")[0] == "124"
        waiter.join()


def _ignore(act):
    with contextlib.suppress(HostUnreachable, StepTimeout):
        act()


def test_records_are_roots_alone_and_hold_no_input(own_host):
    with own_host.fleet() as fleet:
        host = fleet["h"]
        secret = os.urandom(8).hex()
        host.job("r/t/1", ["sh", "-c", "wc -c"], stdin=secret.encode())
        assert host.run(["grep", "-r", secret, HOME, "/run", "/tmp/kk-none"]).rc != 0
        folder = f"{HOME}/jobs/r/t/1"
        names = host.run(["ls", folder]).text.split()
        entries = host.stat(HOME, folder, *(f"{folder}/{name}" for name in names))
        assert {entry.mode for entry in entries if entry.type == "directory"} == {0o700}
        assert {entry.mode for entry in entries if entry.type == "file"} == {0o600}


def test_large_output_is_kept_from_its_end_and_a_large_input_arrives(own_host):
    with own_host.fleet() as fleet:
        data = os.urandom(2_000_000)
        ended = fleet["h"].job("r/t/1", ["sh", "-c", "cat; echo end; echo words >&2"], stdin=data)
        assert len(ended.out) == 1 << 20
        assert ended.out == (data + b"end\n")[-(1 << 20) :]
        assert ended.err == b"words\n"


def test_a_key_that_leads_elsewhere_is_refused(own_host):
    with own_host.fleet() as fleet:
        for key in ("../etc", "a/../../b", "/etc/x", "a//b", ""):
            with pytest.raises(UsageError):
                fleet["h"].job(key, ["true"])


def test_waiting_for_programs_leaves_the_host_free_for_others(own_host):
    with own_host.fleet() as fleet:
        host = fleet["h"]
        work = ["sh", "-c", "until [ -e /run/kk-go ]; do sleep 0.1; done"]
        waiters = [threading.Thread(target=host.job, args=(f"r/t/{n}", work)) for n in range(12)]
        for waiter in waiters:
            waiter.start()
        until(lambda: host.job_state("r/t/11").status == "running")
        assert host.run(["echo", "x"]).text == "x"
        assert host.run(["touch", "/run/kk-go"]).ok, "until now none of them could end"
        for waiter in waiters:
            waiter.join()
