"""The simulated host: faults come when ordered, time passes when somebody sleeps, records outlive power cuts."""

import pytest

from klusterkit.engine.errors import CommandFailed, HostUnreachable, StepTimeout
from klusterkit.engine.host import HOME, File
from klusterkit.hosts.simulated import Clock, SimulatedCrash, SimulatedHost, ends

UNIT = File(
    path="/etc/systemd/system/a.service", content=b"[Service]\nExecStart=/a\n[Install]\nWantedBy=multi-user.target\n"
)


@pytest.fixture
def host():
    return SimulatedHost("m1")


def show(host, *names, unit="a.service"):
    lines = host.run(["systemctl", "show", f"--property={','.join(names)}", unit]).text.splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_digest_tells_a_changed_mode_and_not_what_klusterkit_keeps(host):
    before = host.digest()
    host.keep("/etc/hostname", f"{HOME}/kept/run/etc%hostname")
    assert host.digest() == before
    host.write(File(path="/etc/hostname", content=host.read("/etc/hostname"), mode=0o600))
    assert host.digest() != before
    host.put_back(f"{HOME}/kept/run/etc%hostname", "/etc/hostname")
    assert host.digest() == before


def test_a_unit_is_enabled_by_a_link_and_starts_again_after_a_boot(host):
    before = host.digest()
    host.write(UNIT)
    assert host.run(["systemctl", "enable", "--now", "a"]).ok
    assert host.stat("/etc/systemd/system/multi-user.target.wants/a.service")[0].target == UNIT.path
    first = show(host, "ActiveState", "UnitFileState", "InvocationID")
    host.power_off()
    host.power_on()
    second = show(host, "ActiveState", "UnitFileState", "InvocationID")
    assert (first["ActiveState"], first["UnitFileState"]) == ("active", "enabled")
    assert second["ActiveState"] == "active"
    assert second["InvocationID"] != first["InvocationID"]
    assert host.run(["systemctl", "disable", "--now", "a"]).ok
    host.remove(UNIT.path)
    assert host.digest() == before


def test_a_changed_unit_file_needs_a_reload(host):
    host.write(UNIT)
    host.run(["systemctl", "start", "a"])
    host.write(UNIT.model_copy(update={"content": UNIT.content + b"# more\n"}))
    assert show(host, "NeedDaemonReload") == {"NeedDaemonReload": "yes"}
    host.run(["systemctl", "daemon-reload"])
    assert show(host, "NeedDaemonReload") == {"NeedDaemonReload": "no"}


def test_a_unit_that_is_told_to_fail_fails(host):
    host.write(UNIT)
    host.machine.systemd.on_start("a.service", lambda unit: False)
    assert host.run(["systemctl", "start", "a"]).rc == 1
    assert show(host, "ActiveState", "Result") == {"ActiveState": "failed", "Result": "exit-code"}


def test_a_unit_that_is_not_there_is_not_found(host):
    assert show(host, "LoadState", "ActiveState") == {"LoadState": "not-found", "ActiveState": "inactive"}
    assert host.run(["systemctl", "start", "a"]).rc == 5


def test_an_ordered_failure_comes_as_often_as_ordered_and_changes_nothing(host):
    host.faults.fail("write", CommandFailed("no space"), times=2)
    before = host.digest()
    for _ in range(2):
        with pytest.raises(CommandFailed, match="no space"):
            host.write(UNIT)
    assert host.digest() == before
    host.write(UNIT)
    assert host.read(UNIT.path) == UNIT.content


@pytest.mark.parametrize(("moment", "done"), [("before", False), ("middle", False), ("after", True)])
def test_a_crash_comes_at_its_moment_of_its_change(host, moment, done):
    host.faults.crash(moment, 2)
    host.mkdir("/etc/first")
    host.stat("/")
    with pytest.raises(SimulatedCrash):
        host.write(UNIT)
    assert (host.stat(UNIT.path)[0].type == "file") is done


def test_a_crash_in_the_middle_of_several_files_leaves_the_first_ones(host):
    host.faults.crash("middle", 1)
    with pytest.raises(SimulatedCrash):
        host.write(File(path="/etc/a", content=b"a"), File(path="/etc/b", content=b"b"))
    assert [entry.type for entry in host.stat("/etc/a", "/etc/b")] == ["file", "absent"]


def test_a_job_whose_starter_crashed_goes_on_and_is_attached_to(host):
    host.program("slow", ends(0, "done"), takes=30)
    host.faults.crash("middle", 1)
    with pytest.raises(SimulatedCrash):
        host.job("run/task/1", ["slow"])
    other = SimulatedHost("m1", machine=host.machine)
    assert other.job_state("run/task/1").status == "running"
    began = host.clock.now()
    assert other.job("run/task/1", ["slow"]).text == "done"
    assert host.clock.now() == began + 30


def test_a_job_acts_once_however_often_it_is_asked_for(host):
    acted = []
    host.program("init", lambda machine, argv, stdin: acted.append(stdin) or ends(0)(machine, argv, stdin), takes=5)
    for _ in range(3):
        assert host.job("k", ["init"], stdin=b"once").ok
    assert acted == [b"once"]


def test_a_job_that_ran_when_the_power_went_has_vanished_without_acting(host):
    acted = []
    host.program("init", lambda *_: acted.append(1), takes=5)
    host.faults.crash("middle", 1)
    with pytest.raises(SimulatedCrash):
        host.job("k", ["init"])
    host.power_off()
    with pytest.raises(HostUnreachable):
        host.job_state("k")
    host.power_on()
    host.clock.advance(60)
    assert host.job_state("k").status == "vanished"
    assert not acted


def test_a_hanging_program_is_ended_after_its_timeout(host):
    host.faults.hang("run")
    began = host.clock.now()
    with pytest.raises(StepTimeout):
        host.run(["true"], timeout=7)
    assert host.clock.now() == began + 7
    host.faults.hang("job")
    with pytest.raises(StepTimeout):
        host.job("k", ["true"], timeout=9)
    with pytest.raises(StepTimeout):
        host.job("k", ["true"], timeout=9)
    assert host.job_state("k").completed.rc == 124


def test_those_who_sleep_at_once_sleep_side_by_side():
    clock = Clock(start=100.0)
    clock.sleep_until(130.0)
    clock.sleep_until(120.0)
    assert clock.now() == 130.0


def test_links_on_the_way_are_followed_and_a_link_at_the_end_is_not(host):
    host.machine.tree.link("/lib", "/usr/lib")
    assert host.stat("/lib")[0].type == "symlink"
    assert host.stat("/lib/systemd/system/ssh.service")[0].type == "file"
