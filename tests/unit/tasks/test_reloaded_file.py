"""A configuration that a running service reads again: who has read what is known, whatever is taken back."""

from __future__ import annotations

from step_world import World

from klusterkit.tasks.reloaded import ReloadedFile

UNIT = "[Service]\nExecStart=/usr/local/bin/demo\n"
FIRST, SECOND = (ReloadedFile(unit="demo.service", path="/etc/demo.conf", content=text) for text in ("one\n", "two\n"))


def test_when_a_later_change_is_taken_back_the_service_has_read_the_earlier_one() -> None:
    """Or status would tell of a drift that nobody made, for ever."""
    world = World()
    world.tree.write("/etc/systemd/system/demo.service", UNIT)
    world.host.machine.systemd.systemctl(["start", "demo.service"])
    earlier, later = world.on("m1/earlier"), world.on("m1/later", run="r2.1")
    FIRST.apply(earlier, FIRST.observe(earlier).before)
    assert FIRST.observe(earlier).satisfied

    before = SECOND.observe(later).before
    SECOND.apply(later, before)
    SECOND.undo(later, before)

    assert FIRST.observe(earlier).satisfied
    assert SECOND.observe(later).before == before


def test_one_that_was_cut_off_before_the_reload_is_not_read_yet() -> None:
    world = World()
    world.tree.write("/etc/demo.conf", "one\n")
    assert FIRST.observe(world.on()).reason == "not read yet"
