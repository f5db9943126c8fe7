"""A lost connection is made again; what may be repeated is; what may not raises, and is never done twice."""

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest
from clients import until

from klusterkit.engine.errors import HostUnreachable
from klusterkit.engine.host import File
from klusterkit.hosts import Lease
from klusterkit.hosts.errors import ConnectionLost


def test_what_may_be_repeated_goes_on_after_a_cut(own_host):
    with own_host.fleet() as fleet:
        host = fleet["h"]
        for turn in range(3):
            host.write(File(path="/run/file", content=b"%d" % turn))
            own_host.cut()
            assert host.read("/run/file") == b"%d" % turn
            own_host.cut()
            host.mkdir("/run/folder")


def test_a_short_program_in_whose_middle_the_connection_is_cut_is_not_run_again(own_host):
    with own_host.fleet() as fleet:
        host = fleet["h"]
        host.connect()
        host.run(["true"])
        count = Path(f"/proc/{own_host.init}/root/run/kk-count")

        def cut_in_its_middle() -> None:
            until(lambda: count.exists() and count.read_text() == "x\n")
            own_host.cut()

        threading.Thread(target=cut_in_its_middle).start()
        with pytest.raises(ConnectionLost) as caught:
            host.run(["sh", "-c", "echo x >>/run/kk-count; sleep 5; echo y >>/run/kk-count"])
        assert caught.value.lost
        assert caught.value.temporary
        until(lambda: host.read("/run/kk-count") == b"x\ny\n")  # it went on, once
        time.sleep(0.5)
        assert host.read("/run/kk-count") == b"x\ny\n"


def test_a_short_program_on_a_connection_that_died_while_idle_is_sent_on_a_new_one(own_host):
    with own_host.fleet() as fleet:
        host = fleet["h"]
        host.run(["true"])
        own_host.cut()
        time.sleep(5.2)
        assert host.run(["echo", "x"]).text == "x"


def test_whether_a_call_that_was_not_answered_in_time_was_done_is_not_known(own_host):
    with own_host.fleet() as fleet:
        link = fleet["h"]._link
        with pytest.raises(ConnectionLost, match=r"didn't answer in 0.5 s") as caught:
            link.call(b"sleep 2; echo x >>/run/kk-count", timeout=0.5, repeat=False)
        assert caught.value.lost
        assert fleet["h"].run(["echo", "next"]).text == "next"
        time.sleep(2.5)
        assert fleet["h"].read("/run/kk-count") == b"x\n", "it went on, once"


def test_a_call_that_was_not_answered_in_time_is_sent_again_when_what_it_started_has_ended(own_host):
    script = b"flock -n /run/kk-alone sh -c 'echo x >>/run/kk-count; [ $(wc -l </run/kk-count) != 1 ] || sleep 4'"
    with own_host.fleet(lease=Lease("lineage", 1, "somebody", "r1")) as fleet:
        assert fleet["h"]._link.call(script, timeout=2.0).rc == 0
        assert fleet["h"].read("/run/kk-count") == b"x\nx\n"


def test_a_host_that_comes_back_in_time_is_waited_for(own_host):
    with own_host.fleet(patience=30) as fleet:
        host = fleet["h"]
        host.connect()
        own_host.power_off()
        found = []
        waiter = threading.Thread(target=lambda: found.append(host.stat("/etc")[0].type))
        waiter.start()
        time.sleep(2)
        assert not found
        own_host.start()
        waiter.join()
        assert found == ["directory"]


@contextlib.contextmanager
def nobody_at_home(port):
    """Somebody who takes every call at a host's port and says nothing. Gives the list of calls."""
    calls = []
    with socket.create_server(("127.0.0.1", port)) as server:

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    calls.append(server.accept()[0].close())

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield calls
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_host_that_does_not_come_back_is_tried_again_and_given_up_in_the_end(own_host):
    with own_host.fleet(patience=3) as fleet:
        host = fleet["h"]
        host.connect()
        own_host.power_off()
        with nobody_at_home(own_host.port) as calls:
            with pytest.raises(HostUnreachable):
                host.stat("/etc")
            assert len(calls) > 1


def test_a_first_connection_that_fails_is_an_error_at_once(own_host):
    own_host.power_off()
    with own_host.fleet(patience=1e9) as fleet, pytest.raises(HostUnreachable):
        fleet["h"].stat("/etc")


def test_closing_ends_those_who_wait_for_a_host(own_host):
    with own_host.fleet(patience=120) as fleet:
        host = fleet["h"]
        host.connect()
        own_host.power_off()
        errors = []

        def wait():
            try:
                host.stat("/etc")
            except HostUnreachable as error:
                errors.append(error)

        waiter = threading.Thread(target=wait)
        waiter.start()
        time.sleep(1)
        fleet.close()
        waiter.join(15)
        assert len(errors) == 1


def test_many_threads_share_one_new_connection_after_a_cut(own_host):
    with own_host.fleet() as fleet:
        host = fleet["h"]
        host.connect()
        before = own_host.log.count("Accepted publickey")
        own_host.cut()
        results = []
        threads = [threading.Thread(target=lambda: results.append(host.stat("/etc")[0].type)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == ["directory"] * 12
        assert own_host.log.count("Accepted publickey") <= before + 2


def test_a_script_that_arrived_in_part_runs_not_at_all(own_host):
    """The connection is cut while a large write is on its way: either all of its files are there, or none is."""
    with own_host.fleet(patience=0.1) as fleet, own_host.fleet() as looking:
        looking["h"].connect()
        for pause in (0.0, 0.01, 0.03, 0.1):
            fleet["h"].connect()
            files = [File(path=f"/run/part-{pause}-{n}", content=b"x" * 40_000) for n in range(100)]
            timer = threading.Timer(pause, own_host.cut)
            timer.start()
            with contextlib.suppress(HostUnreachable):
                fleet["h"].write(*files)
            timer.join()
            time.sleep(1.5)
            until(lambda: looking["h"].stat("/run/.klusterkit-new")[0].type == "absent")
            there = [entry.type for entry in looking["h"].stat(*(file.path for file in files))]
            assert set(there) in ({"file"}, {"absent"})
