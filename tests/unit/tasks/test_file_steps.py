from __future__ import annotations

import pytest
from step_world import World, notes, travelled

from klusterkit.engine.errors import CommandFailed, PermanentError, VerificationFailed
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.step import Step
from klusterkit.tasks.files import Directory, SecretFile, TextFile
from klusterkit.tasks.tree import Tree
from tests.support.posix import said

SECRET = b"hunter2-hunter2\n"


@pytest.fixture
def world() -> World:
    return World({"token": SECRET})


def hundred() -> list[TextFile]:
    return [TextFile(path=f"/etc/demo-{number}.conf", content=f"{number}\n") for number in range(100)]


def test_a_hundred_files_are_looked_at_in_one_round_trip(world: World) -> None:
    files = hundred()
    TextFile.observe_many(files, [world.on(f"m1/{number}") for number in range(100)])

    assert [call.method for call in world.host.faults.calls] == ["stat"]


def test_a_hundred_new_files_are_written_in_one_round_trip_and_checked_in_another(world: World) -> None:
    files, contexts = hundred(), [world.on(f"m1/{number}") for number in range(100)]
    TextFile.apply_many(files, contexts, [{"type": "absent"}] * 100)

    assert [call.method for call in world.host.faults.calls] == ["write", "stat"]
    assert world.tree.read("/etc/demo-99.conf") == b"99\n"


def test_folders_of_one_mode_are_made_in_one_round_trip_parents_first(world: World) -> None:
    folders = [Directory(path=path) for path in ("/etc/a", "/etc/a/b", "/etc/a/b/c")]
    Directory.apply_many(folders, [world.on()] * 3, [{"type": "absent"}] * 3)

    assert [call.method for call in world.host.faults.calls] == ["mkdir", "stat"]


def test_folders_of_several_modes_are_made_in_their_order(world: World) -> None:
    folders = [
        Directory(path=path, mode=mode) for path, mode in (("/etc/a", 0o755), ("/etc/a/b", 0o700), ("/etc/c", 0o755))
    ]
    Directory.apply_many(folders, [world.on()] * 3, [{"type": "absent"}] * 3)

    assert [world.tree.find(folder.path).mode for folder in folders] == [0o755, 0o700, 0o755]


@pytest.mark.parametrize(
    ("arrange", "reason"),
    [
        (lambda tree: None, "not there"),
        (lambda tree: tree.write("/etc/demo", "other"), "other content"),
        (lambda tree: tree.write("/etc/demo", "wanted", 0o600), "mode 600, wanted 644"),
        (lambda tree: tree.write("/etc/demo", "wanted", 0o644, "etcd:etcd"), "owner etcd:etcd, wanted root:root"),
        (lambda tree: tree.link("/etc/demo", "/etc/hostname"), "a symlink, not a file"),
        (lambda tree: tree.mkdir("/etc/demo"), "a directory, not a file"),
    ],
)
def test_a_file_that_is_not_as_wanted_says_why(world: World, arrange: object, reason: str) -> None:
    arrange(world.tree)  # type: ignore[operator]
    seen = world.observe(TextFile(path="/etc/demo", content="wanted"))

    assert not seen.satisfied
    assert seen.reason == reason


def test_a_file_as_wanted_is_satisfied(world: World) -> None:
    world.tree.write("/etc/demo", "wanted")

    assert world.observe(TextFile(path="/etc/demo", content="wanted")).satisfied


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (TextFile(path="/etc/systemd", content=""), "/etc/systemd should be a file, and is a folder"),
        (Directory(path="/etc/hostname"), "/etc/hostname should be a folder, and is a file"),
        (Tree(path="/etc/hostname"), "/etc/hostname should be a folder, and is a file"),
    ],
)
def test_what_is_of_another_type_is_refused_and_left_alone(world: World, step: Step, message: str) -> None:
    digest = world.host.digest()
    with pytest.raises(PermanentError, match=message) as caught:
        world.do(step)

    assert caught.value.hint
    assert world.host.digest() == digest


def test_a_folder_that_somebody_filled_is_not_removed_with_what_is_in_it(world: World) -> None:
    step = Directory(path="/etc/demo")
    before = world.do(step)
    world.tree.write("/etc/demo/mine", "precious")

    with pytest.raises(PermanentError, match="/etc/demo, which was made here, can't be removed") as caught:
        step.undo(world.on(), before)
    assert caught.value.seen == "/etc/demo: Directory not empty"
    assert world.tree.read("/etc/demo/mine") == b"precious"


def test_a_file_whose_kept_copy_is_gone_is_not_touched_by_undo(world: World) -> None:
    world.tree.write("/etc/demo", "old")
    step = TextFile(path="/etc/demo", content="wanted")
    before = world.do(step)
    world.tree.remove("/var/lib/klusterkit/kept", recursive=True)

    with pytest.raises(PermanentError, match="/etc/demo can't be put back"):
        world.undo(step, before)
    assert world.tree.read("/etc/demo") == b"wanted"


def test_a_write_that_did_nothing_is_noticed(world: World) -> None:
    class Deaf(type(world.host)):
        def write(self, *files: object) -> None: ...

    world.host.__class__ = Deaf
    with pytest.raises(VerificationFailed, match="write /etc/demo: not there"):
        world.do(TextFile(path="/etc/demo", content="wanted"))


@pytest.mark.parametrize(
    ("there", "shown"),
    [
        ('password = "hunter2-1"\n', "password = [secret]\n"),
        ("  auth: aHVudGVyMg==\n", "  auth: [secret]\n"),
        ("certificateKey: hunter2\n", "certificateKey: [secret]\n"),
        ('{"token": "hunter2"}\n', '{"token": [secret]}\n'),
        ("client-cert-auth: true\nsecretName: web\n", "client-cert-auth: true\nsecretName: web\n"),
    ],
)
def test_what_somebody_else_wrote_is_shown_without_his_secrets(world: World, there: str, shown: str) -> None:
    step = TextFile(path="/etc/demo", content="new\n")
    world.tree.write("/etc/demo", there)
    assert step.differences(world.on(), world.observe(step))[0].old == shown
    world.tree.write("/etc/demo", there, 0o640)
    assert step.differences(world.on(), world.observe(step))[0].old == "(not shown: its mode is 0640)\n"


def test_differences_of_a_text_are_both_texts(world: World) -> None:
    world.tree.write("/etc/demo", "old\n")
    step = TextFile(path="/etc/demo", content="new\n")
    (difference,) = step.differences(world.on(), world.observe(step))

    assert (difference.what, difference.old, difference.new) == ("/etc/demo", "old\n", "new\n")


def test_what_is_no_text_is_not_shown_as_one(world: World) -> None:
    world.tree.write("/etc/demo", b"\xff\xfe")
    step = TextFile(path="/etc/demo", content="new\n")
    (difference,) = step.differences(world.on(), world.observe(step))

    assert difference.old is None


def test_a_secret_is_in_nothing_that_is_kept_or_shown(world: World) -> None:
    import hashlib

    step = SecretFile(path="/etc/token", secret="token")
    world.tree.write("/etc/token", "an older secret", 0o600)
    seen = world.observe(step)
    world.do(step)
    task = Task(id="m1/token", host="m1", step=step)
    plan = Plan(operation="test", lineage="l", serial=1, tasks=(task,)).to_yaml()
    told = [plan, step.title, repr(step), str(seen), str(step.differences(world.on(), seen)), str(world.observe(step))]

    assert world.tree.read("/etc/token") == SECRET
    for value in (
        SECRET.decode().strip(),
        hashlib.sha256(SECRET).hexdigest(),
        hashlib.sha256(b"an older secret").hexdigest(),
    ):
        assert not any(value in text for text in told)


def test_a_secret_reaches_the_host_with_its_mode_from_birth(world: World) -> None:
    world.do(SecretFile(path="/etc/token", secret="token"))

    assert world.tree.find("/etc/token").mode == 0o600


def test_equal_hosts_give_equal_before(world: World) -> None:
    other = World({"token": SECRET})
    for each in (world, other):
        each.tree.write("/etc/demo", "old")
    for step in (SecretFile(path="/etc/demo", secret="token"), TextFile(path="/etc/demo", content="")):
        assert world.observe(step).before == other.observe(step).before


class TestTree:
    STEP = Tree(path="/var/lib/etcd", mode=0o700, on_undo="set-aside")

    def test_it_is_applied_once_even_where_the_folder_is_as_wanted(self, world: World) -> None:
        """Or its undo would not be known to anybody."""
        world.tree.mkdir("/var/lib/etcd", 0o700)

        assert not world.observe(self.STEP).satisfied
        world.do(self.STEP)
        assert world.observe(self.STEP).satisfied

    def test_content_that_nobody_knows_is_refused(self, world: World) -> None:
        world.tree.makedirs("/var/lib/etcd/member")
        with pytest.raises(PermanentError, match="/var/lib/etcd is not empty") as caught:
            world.do(self.STEP)

        assert caught.value.seen == "/var/lib/etcd/member"
        assert notes(world) == []

    def test_an_empty_file_system_has_no_content(self, world: World) -> None:
        world.tree.makedirs("/var/lib/etcd/lost+found")
        before = world.do(self.STEP)
        world.tree.makedirs("/var/lib/etcd/member")
        world.undo(self.STEP, before)

        assert list(world.tree.find("/var/lib/etcd").children) == ["lost+found"]

    def test_adopted_content_stays(self, world: World) -> None:
        world.tree.makedirs("/var/lib/etcd/member")
        step = self.STEP.model_copy(update={"adopt": True})
        world.undo(step, world.do(step))

        assert world.tree.find("/var/lib/etcd/member")

    def test_content_of_an_earlier_run_stays(self, world: World) -> None:
        world.do(self.STEP)
        world.tree.makedirs("/var/lib/etcd/member")
        world.tree.find("/var/lib/etcd").mode = 0o755
        later = world.do(self.STEP, run="r2.1")
        world.undo(self.STEP, later, run="r2.1")

        assert world.tree.find("/var/lib/etcd/member")
        assert world.tree.find("/var/lib/etcd").mode == 0o755

    def test_what_is_set_aside_is_all_there(self, world: World) -> None:
        before = world.do(self.STEP)
        world.tree.makedirs("/var/lib/etcd/member/wal")
        world.tree.write("/var/lib/etcd/member/wal/0.wal", b"data", 0o600)
        world.undo(self.STEP, before)

        assert world.tree.find("/var/lib/etcd") is None
        assert world.tree.read("/var/lib/klusterkit/set-aside/r1.1/var%lib%etcd.1/member/wal/0.wal") == b"data"

    def test_data_of_two_lives_is_set_aside_twice(self, world: World) -> None:
        for content in (b"first", b"second"):
            before = world.do(self.STEP)
            world.tree.write("/var/lib/etcd/data", content)
            world.undo(self.STEP, before)

        places = [f"/var/lib/klusterkit/set-aside/r1.1/var%lib%etcd.{number}/data" for number in (1, 2)]
        assert [world.tree.read(place) for place in places] == [b"first", b"second"]

    def test_nothing_is_removed_when_it_could_not_be_set_aside(self, world: World) -> None:
        before = world.do(self.STEP)
        world.tree.write("/var/lib/etcd/data", b"precious")
        world.host.faults.fail("keep", CommandFailed("no space left on device"))

        with pytest.raises(CommandFailed, match="no space"):
            self.STEP.undo(world.on(), before)
        assert world.tree.read("/var/lib/etcd/data") == b"precious"

    def test_a_mount_that_is_in_use_stops_undo(self, world: World) -> None:
        before = world.do(self.STEP)
        world.tree.write("/var/lib/etcd/data", b"precious")
        world.tree.write("/proc/self/mountinfo", "1 1 0:1 / /var/lib/etcd/busy rw - tmpfs tmpfs rw\n")
        world.host.program("umount", lambda *_: said(32, err="target is busy."))

        with pytest.raises(Exception, match="/var/lib/etcd/busy can't be unmounted") as caught:
            self.STEP.undo(world.on(), before)
        assert caught.value.temporary  # type: ignore[attr-defined]
        assert world.tree.read("/var/lib/etcd/data") == b"precious"


def test_before_survives_the_journal(world: World) -> None:
    world.tree.write("/etc/demo", "old")
    for step in (TextFile(path="/etc/demo", content=""), Directory(path="/etc"), Tree(path="/var/lib/etcd")):
        assert travelled(world.observe(step).before) == world.observe(step).before
