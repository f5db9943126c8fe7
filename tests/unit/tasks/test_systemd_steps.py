from __future__ import annotations

import pytest
from step_world import World, notes

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily
from klusterkit.hosts.simulated import SimulatedCrash
from klusterkit.tasks.systemd import Service, Unit
from tests.support.posix import said

TEXT = "[Service]\nExecStart=/usr/local/bin/demo\n[Install]\nWantedBy=multi-user.target\n"
UNIT = Unit(name="demo.service", content=TEXT)
DEMO = Service(unit="demo.service")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def installed(world: World) -> World:
    world.do(UNIT)
    return world


def show(world: World, name: str) -> str:
    return world.host.run(["systemctl", "show", f"-p{name}", "--value", "demo.service"]).text


def test_a_unit_is_known_when_its_file_is_written(world: World) -> None:
    world.do(UNIT)

    assert show(world, "LoadState") == "loaded"
    assert world.observe(UNIT).satisfied


def test_a_file_that_systemd_has_not_read_is_not_enough(installed: World) -> None:
    installed.do(DEMO)
    installed.tree.write("/etc/systemd/system/demo.service", TEXT.replace("demo", "other"))
    step = Unit(name="demo.service", content=TEXT.replace("demo", "other"))

    assert installed.observe(step).reason == "systemd hasn't read it yet"
    assert installed.observe(step).partial


def test_a_host_without_systemd_has_no_unit(world: World) -> None:
    world.host.program("systemctl", lambda *_: said(127, err="systemctl: not found"))

    assert not world.observe(UNIT).satisfied
    assert not world.observe(DEMO).satisfied


def test_a_drop_in_takes_its_folder_with_it(installed: World) -> None:
    step = Unit(name="demo.service", content="[Service]\nNice=1\n", drop_in="10-nice")
    before = installed.do(step)

    assert show(installed, "DropInPaths") == "/etc/systemd/system/demo.service.d/10-nice.conf"
    installed.undo(step, before)
    assert installed.tree.find("/etc/systemd/system/demo.service.d") is None


def test_a_service_is_enabled_and_started(installed: World) -> None:
    installed.do(DEMO)

    assert (show(installed, "UnitFileState"), show(installed, "ActiveState")) == ("enabled", "active")


def test_a_failed_unit_is_forgotten_by_undo(world: World) -> None:
    unit = world.do(UNIT)
    service = world.do(DEMO)
    world.host.machine.systemd.fail("demo.service")
    world.undo(DEMO, service)
    world.undo(UNIT, unit)

    assert (show(world, "ActiveState"), show(world, "LoadState")) == ("inactive", "not-found")


def test_a_service_that_does_not_start_shows_the_end_of_its_journal(installed: World) -> None:
    installed.host.machine.systemd.on_start("demo.service", lambda _: False)
    installed.host.program("journalctl", lambda *_: said(out="panic: no such folder\n"))
    with pytest.raises(CommandFailedTemporarily, match=r"`systemctl start demo\.service` failed on m1") as caught:
        installed.do(DEMO)

    assert caught.value.seen == "panic: no such folder"
    assert caught.value.hint == "`journalctl -u demo.service` on the host tells more"


def test_without_a_journal_the_error_is_shown_that_systemd_gave(installed: World) -> None:
    installed.host.program("journalctl", lambda *_: said(127))
    installed.host.machine.systemd.on_start("demo.service", lambda _: False)
    with pytest.raises(CommandFailedTemporarily) as caught:
        installed.do(DEMO)

    assert caught.value.seen
    assert "Job for demo.service failed" in caught.value.seen


def test_a_unit_that_is_not_there_can_not_be_enabled(world: World) -> None:
    with pytest.raises(CommandFailed, match=r"`systemctl enable demo\.service` failed on m1"):
        world.do(DEMO)


def test_a_static_unit_needs_no_enabling(world: World) -> None:
    world.do(Unit(name="demo.service", content="[Service]\nExecStart=/bin/true\n"))
    world.do(DEMO)

    assert world.observe(DEMO).satisfied


class TestRestart:
    """A service runs with what it has to be started with, and isn't restarted without need."""

    WITH = Service(unit="demo.service", restart_for=("sha256:1",))
    OTHER = Service(unit="demo.service", restart_for=("sha256:2",))

    def test_it_is_started_once(self, installed: World) -> None:
        installed.do(self.WITH)

        assert installed.observe(self.WITH).satisfied

    def test_a_service_that_somebody_else_started_is_restarted(self, installed: World) -> None:
        installed.do(DEMO)
        first = show(installed, "InvocationID")
        assert not installed.observe(self.WITH).satisfied
        installed.do(self.WITH)

        assert show(installed, "InvocationID") != first
        assert installed.observe(self.WITH).satisfied

    def test_it_is_restarted_for_something_else(self, installed: World) -> None:
        installed.do(self.WITH)
        first = show(installed, "InvocationID")
        assert installed.observe(self.OTHER).reason == "it was not started with what it has to be started with"
        installed.do(self.OTHER)

        assert show(installed, "InvocationID") != first

    def test_a_boot_is_as_good_as_a_restart(self, installed: World) -> None:
        installed.do(self.WITH)
        installed.host.power_off()
        installed.host.power_on()

        assert installed.observe(self.WITH).satisfied

    def test_asked_for_and_not_yet_restarted_is_not_enough(self, installed: World) -> None:
        installed.do(DEMO)
        before = installed.observe(self.WITH).before
        installed.host.faults.crash("before", 5)  # look, enable, note's folder, note; then the restart
        with pytest.raises(SimulatedCrash):
            self.WITH.apply(installed.on(), before)

        assert not installed.observe(self.WITH).satisfied

    def test_a_restart_that_was_attached_to_is_not_asked_for_anew(self, installed: World) -> None:
        """A run that lost its connection applies the same attempt again, and gets the recorded end of the restart."""
        installed.do(DEMO)
        before = installed.observe(self.WITH).before
        installed.host.faults.crash("after", 7)
        with pytest.raises(SimulatedCrash):
            self.WITH.apply_many([self.WITH], [installed.on()], [before])
        self.WITH.apply_many([self.WITH], [installed.on()], [before])

        assert installed.observe(self.WITH).satisfied

    def test_undo_takes_the_note_with_it(self, installed: World) -> None:
        installed.undo(self.WITH, installed.do(self.WITH))

        assert notes(installed) == []


def test_stopping_before_and_starting_after_puts_a_service_back_to_its_old_configuration(installed: World) -> None:
    """The pattern for replacing what is below a running service."""
    installed.do(DEMO)
    started_with: list[bytes] = []
    installed.host.machine.systemd.on_start(
        "demo.service", lambda _: started_with.append(installed.tree.read("/etc/hostname")) or True
    )
    stop, start = Service(unit="demo.service", enabled=None, running=False), DEMO
    stopped = installed.do(stop, run="r2.1")
    installed.tree.write("/etc/hostname", "new")
    begun = installed.do(start, run="r2.1")
    installed.undo(start, begun, run="r2.1")
    installed.tree.write("/etc/hostname", "old")
    installed.undo(stop, stopped, run="r2.1")

    assert started_with == [b"new", b"old"]
    assert show(installed, "ActiveState") == "active"


@pytest.mark.parametrize(
    ("step", "title"),
    [
        (DEMO, "enable and start demo.service"),
        (Service(unit="demo.service", enabled=None), "start demo.service"),
        (Service(unit="demo.service", enabled=False, running=False), "disable and stop demo.service"),
    ],
)
def test_the_title_says_what_is_done(step: Service, title: str) -> None:
    assert step.title == title
