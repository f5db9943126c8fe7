"""What every host is to a step, whether it is reached by SSH, is this machine itself, or is simulated."""

import contextlib
import os
import threading

import pytest

from klusterkit.engine.errors import CommandFailed, PermanentError, StepTimeout
from klusterkit.engine.host import HOME, File
from klusterkit.hosts import Question, ShellHost
from klusterkit.hosts.link import Link
from klusterkit.hosts.local import LocalTransport
from klusterkit.hosts.simulated import SimulatedHost, ends

QUESTION = Question(programs=("cp", "no-such-program"), paths=("/etc", "/no/such/path"))


@pytest.fixture(scope="module", params=["ssh", "local", "simulated"])
def host(request):
    if request.param == "simulated":
        host = SimulatedHost("h", question=QUESTION)
        host.machine.tree.makedirs("/tmp")
        host.program("sleep", ends(0), takes=1000)
        host.program("cp", ends(0))
        yield host
        return
    private = request.getfixturevalue("private_host")
    if request.param == "ssh":
        with private.fleet(question=QUESTION) as fleet:
            yield fleet["h"]
    else:
        local = ShellHost(Link(LocalTransport("h", private.shell)), QUESTION)
        with contextlib.closing(local):
            yield local


@pytest.fixture
def place(host, request):
    """A folder on the host for one test, gone afterwards."""
    path = f"/tmp/kk-{os.getpid()}-{abs(hash(request.node.nodeid)) % 10**9}"
    host.mkdir(path)
    yield path
    host.remove(path, recursive=True)


def types(host, *paths):
    return [entry.type for entry in host.stat(*paths)]


def test_nothing_at_a_path_is_absent_even_below_a_file(host, place):
    host.write(File(path=f"{place}/file", content=b"x"))
    assert types(host, f"{place}/no", f"{place}/no/such", f"{place}/file/below") == ["absent"] * 3


def test_stat_tells_type_mode_owner_size_and_digest_in_the_order_asked(host, place):
    host.write(
        File(path=f"{place}/b", content=b"hello", mode=0o640, owner="root:daemon" if _has_daemon(host) else "root:root")
    )
    missing, file, folder = host.stat(f"{place}/a", f"{place}/b", place)
    assert (missing.type, missing.path) == ("absent", f"{place}/a")
    assert (file.type, file.mode, file.size) == ("file", 0o640, 5)
    assert file.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert (folder.type, folder.mode, folder.owner) == ("directory", 0o755, "root:root")


def _has_daemon(host):
    return not isinstance(host, SimulatedHost)


def test_stat_of_no_path_is_empty(host):
    assert host.stat() == ()


@pytest.mark.parametrize("name", ["with space", "with'quote", "ünï¢ode", "new\nline", "-dash", "$HOME", "a\\b", "*"])
def test_any_name_can_be_written_seen_read_and_removed(host, place, name):
    path = f"{place}/{name}"
    host.write(File(path=path, content=name.encode()))
    assert types(host, path) == ["file"]
    assert host.read(path) == name.encode()
    host.remove(path)
    assert types(host, path) == ["absent"]


@pytest.mark.parametrize(
    "content", [b"", b"text\n", b"no newline", b"\0\1\2\xff\xfe", b"'\"$(touch /pwned)`\n", b"\r\n" * 3, "ü".encode()]
)
def test_content_arrives_byte_for_byte(host, place, content):
    host.write(File(path=f"{place}/file", content=content))
    assert host.read(f"{place}/file") == content


def test_many_files_go_in_one_call(host, place):
    host.mkdir([f"{place}/d{n}" for n in range(5)])
    files = [File(path=f"{place}/d{n % 5}/{n}", content=b"%d" % n, mode=0o600 + n % 2 * 0o44) for n in range(500)]
    host.write(*files)
    entries = host.stat(*(file.path for file in files))
    assert [entry.mode for entry in entries] == [file.mode for file in files]
    assert [entry.size for entry in entries] == [len(file.content) for file in files]


def test_a_written_file_replaces_a_file_or_a_link_and_not_a_folder(host, place):
    host.write(File(path=f"{place}/target", content=b"old"))
    host.mkdir(f"{place}/folder")
    if not isinstance(host, SimulatedHost):
        host.run(["ln", "-s", "target", f"{place}/link"])
    else:
        host.machine.tree.link(f"{place}/link", "target")
    assert host.stat(f"{place}/link")[0].target == "target"
    host.write(File(path=f"{place}/link", content=b"new"))
    assert types(host, f"{place}/link") == ["file"]
    assert host.read(f"{place}/target") == b"old"
    with pytest.raises(CommandFailed):
        host.write(File(path=f"{place}/folder", content=b"x"))
    assert types(host, f"{place}/folder") == ["directory"]


def test_a_file_in_a_missing_folder_is_an_error_and_leaves_nothing(host, place):
    with pytest.raises(CommandFailed) as caught:
        host.write(File(path=f"{place}/no/file", content=b"x"))
    assert "No such file" in caught.value.seen
    assert types(host, f"{place}/no") == ["absent"]


def test_reading_what_is_not_there_is_file_not_found(host, place):
    with pytest.raises(FileNotFoundError):
        host.read(f"{place}/no")
    with pytest.raises(CommandFailed):
        host.read(place)


def test_mkdir_makes_or_corrects_folders_and_refuses_a_file(host, place):
    host.mkdir([f"{place}/a", f"{place}/a/b"], 0o700)
    host.mkdir(f"{place}/a", 0o750)
    assert [entry.mode for entry in host.stat(f"{place}/a", f"{place}/a/b")] == [0o750, 0o700]
    host.write(File(path=f"{place}/file", content=b""))
    with pytest.raises(CommandFailed):
        host.mkdir(f"{place}/file")
    with pytest.raises(CommandFailed):
        host.mkdir(f"{place}/no/such")


def test_remove_takes_files_and_empty_folders_and_full_ones_only_when_told(host, place):
    host.mkdir([f"{place}/empty", f"{place}/full"])
    host.write(File(path=f"{place}/full/file", content=b""))
    host.remove(f"{place}/empty", f"{place}/not-there")
    with pytest.raises(CommandFailed):
        host.remove(f"{place}/full")
    assert types(host, f"{place}/empty", f"{place}/full/file") == ["absent", "file"]
    host.remove(f"{place}/full", recursive=True)
    assert types(host, f"{place}/full") == ["absent"]


def test_a_kept_file_is_put_back_as_it_was(host, place, request):
    kept = f"{HOME}/kept/test/{abs(hash(request.node.nodeid))}"
    path = f"{place}/file"
    host.write(File(path=path, content=b"old", mode=0o640))
    before = host.stat(path)
    host.keep(path, kept)
    host.write(File(path=path, content=b"new", mode=0o600))
    host.keep(path, kept)  # the first copy stays
    host.put_back(kept, path)
    assert host.stat(path) == before
    host.remove(path)
    host.put_back(kept, path)
    assert host.stat(path) == before
    host.remove(kept)


def test_a_kept_folder_is_put_back_whole(host, place, request):
    kept = f"{HOME}/kept/test/{abs(hash(request.node.nodeid))}"
    tree = f"{place}/tree"
    host.mkdir([tree, f"{tree}/sub"], 0o750)
    host.write(File(path=f"{tree}/sub/file", content=b"old"))
    before = host.stat(tree, f"{tree}/sub", f"{tree}/sub/file")
    host.keep(tree, kept)
    host.remove(f"{tree}/sub", recursive=True)
    host.write(File(path=f"{tree}/more", content=b""))
    host.put_back(kept, tree)
    assert host.stat(tree, f"{tree}/sub", f"{tree}/sub/file") == before
    assert types(host, f"{tree}/more") == ["absent"]
    host.remove(kept, recursive=True)


def test_keeping_nothing_keeps_nothing(host, place):
    host.keep(f"{place}/no", f"{HOME}/kept/test/nothing")
    assert types(host, f"{HOME}/kept/test/nothing") == ["absent"]
    with pytest.raises(FileNotFoundError):
        host.put_back(f"{HOME}/kept/test/nothing", f"{place}/no")


def test_an_upload_arrives_with_its_mode_and_only_with_its_checksum(host, place, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(100_000))
    digest = __import__("hashlib").sha256(source.read_bytes()).hexdigest()
    host.upload(source, digest, f"{place}/there", 0o755)
    entry = host.stat(f"{place}/there")[0]
    assert (entry.sha256, entry.mode, entry.size) == (digest, 0o755, 100_000)
    with pytest.raises(PermanentError, match="checksum"):
        host.upload(source, "0" * 64, f"{place}/wrong")
    assert types(host, f"{place}/wrong", f"{place}/wrong.part") == ["absent", "absent"]


def test_a_program_gets_its_arguments_and_input_and_gives_status_and_outputs(host):
    assert host.run(["printf", "%s", "a  'b'\n"]).out == b"a  'b'\n"
    assert host.run(["cat"], stdin=b"in\0put").out == b"in\0put"
    assert not host.run(["false"]).ok
    assert host.run(["true"]).ok


def test_a_program_that_is_not_there_ends_with_127(host):
    assert host.run(["/no/such/program"]).rc == 127
    assert host.run(["no-such-program", "x"]).rc == 127


def test_a_program_that_takes_too_long_is_ended(host):
    with pytest.raises(StepTimeout):
        host.run(["sleep", "100"], timeout=0.3)


def test_a_long_program_runs_once_and_its_result_is_kept(host, place, request):
    key = f"test.{abs(hash(request.node.nodeid))}/task/1"
    assert host.job_state(key).status == "none"
    first = host.job(key, ["cat"], stdin=b"the \0 input")
    again = host.job(key, ["false"])
    assert first.out == b"the \0 input"
    assert again == first
    assert host.job_state(key).status == "ended"
    assert host.job_state(key).completed == first


def test_a_long_program_is_ended_after_its_timeout_and_stays_so(host, request):
    key = f"test.{abs(hash(request.node.nodeid))}/task/1"
    for _ in range(2):
        with pytest.raises(StepTimeout):
            host.job(key, ["sleep", "100"], timeout=0.3)


def test_stopping_a_long_program_that_never_was_is_fine(host):
    host.job_stop("test.none/task/1")
    assert host.job_state("test.none/task/1").status == "none"


def test_facts_tell_what_the_host_has_of_what_was_asked_for(host):
    facts = host.facts()
    assert facts.programs == ("cp",)
    assert facts.paths == ("/etc",)
    assert facts.cpus > 0
    assert facts.memory > 1 << 28
    assert facts.architecture in ("amd64", "arm64")
    assert abs(facts.clock_offset) < 1


def test_many_threads_can_use_one_host(host, place):
    failures = []

    def work(number):
        for turn in range(20):
            text = f"{number}-{turn}"
            host.write(File(path=f"{place}/{number}", content=text.encode()))
            if host.read(f"{place}/{number}") != text.encode() or host.run(["printf", "%s", text]).text != text:
                failures.append(text)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
