"""What goes through a lane comes out unchanged, in every shell that a host may have, and never meets another call's."""

import contextlib
import os
import subprocess
import threading
from pathlib import Path

import pytest
from clients import lines, until
from hypothesis import given, settings
from hypothesis import strategies as st
from private_host import PrivateHost

from klusterkit.engine.errors import StepTimeout
from klusterkit.engine.host import File
from klusterkit.hosts import ShellHost
from klusterkit.hosts.lanes import LONG
from klusterkit.hosts.link import Link
from klusterkit.hosts.local import LocalTransport
from tests.support.debian import installed

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
SHELLS = [["sh"], ["bash", "--posix"], ["busybox", "sh"]]


@pytest.fixture(scope="module", params=SHELLS, ids=[shell[0] for shell in SHELLS])
def local(request, private_host):
    """The private host without SSH, by several shells."""
    installed(request.param[0])
    shell = [*private_host.shell[:-1], *request.param]
    with contextlib.closing(ShellHost(Link(LocalTransport("h", shell)))) as host:
        yield host


@pytest.fixture(scope="module")
def ssh(private_host):
    with private_host.fleet() as fleet:
        yield fleet["h"]


@settings(max_examples=40, deadline=None)
@given(arguments=st.lists(words, min_size=1, max_size=5))
def test_arguments_arrive_as_they_are(local, arguments):
    expected = b"".join(argument.encode() + b"\0" for argument in arguments)
    assert local.run(["printf", r"%s\0", *arguments]).out == expected


@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=300))
def test_input_arrives_and_output_returns_as_it_is(local, data):
    assert local.run(["cat"], stdin=data).out == data


@settings(max_examples=25, deadline=None)
@given(contents=st.lists(st.binary(max_size=200) | words.map(str.encode), min_size=1, max_size=6))
def test_files_hold_what_was_written(local, contents):
    files = [File(path=f"/run/kk-{n}", content=content) for n, content in enumerate(contents)]
    local.write(*files)
    assert [local.read(file.path) for file in files] == contents


def test_text_that_looks_like_a_frame_stays_text(ssh):
    text = b"0123456789abcdef0123456789abcdef 0\n" * 3 + b"}\n{ echo\nEND-OF-INPUT\nexit 3\n"
    assert ssh.run(["cat"], stdin=text).out == text
    assert ssh.run(["sh", "-c", 'cat; cat "$0" >&2', "/proc/self/cmdline"], stdin=text).out == text


def test_twenty_megabytes_of_output_are_kept_from_their_end(ssh):
    ended = ssh.run(["sh", "-c", "yes x | head -c 20000000; echo end; yes y | head -c 5000000 >&2; echo last >&2"])
    assert len(ended.out) == len(ended.err) == 1 << 20
    assert ended.out.endswith(b"x\nend\n")
    assert ended.err.endswith(b"y\nlast\n")


def test_five_megabytes_of_input_arrive(ssh):
    data = os.urandom(5_000_000)
    digest = subprocess.run(["sha256sum"], input=data, capture_output=True).stdout.split()[0]
    assert ssh.run(["sha256sum"], stdin=data).out.split()[0] == digest


def test_input_that_nobody_reads_does_no_harm(ssh):
    assert ssh.run(["true"], stdin=os.urandom(1_000_000)).rc == 0
    assert ssh.run(["echo", "next"]).text == "next"


def test_input_is_in_no_list_of_processes(ssh, private_host):
    """What goes by stdin is looked for in the arguments of every process of the host while a program reads it."""
    secret = "kk-secret-" + os.urandom(8).hex()
    seen = set()
    over = threading.Event()

    def look():
        while not over.is_set():
            for pid in private_host.pids():
                with contextlib.suppress(OSError):
                    seen.add(Path(f"/proc/{pid}/cmdline").read_bytes())

    watcher = threading.Thread(target=look)
    watcher.start()
    for data in (secret.encode(), secret.encode() + b"\0binary, too", (secret * 9000).encode()):
        ssh.run(["sh", "-c", "cat >/dev/null; sleep 0.5"], stdin=data)
        ssh.job(f"leak.{os.urandom(4).hex()}/t/1", ["sh", "-c", "cat >/dev/null; sleep 0.5"], stdin=data)
    ssh.write(File(path="/run/kk-secret", content=secret.encode()))
    for _ in range(30):  # a search through all processes takes a while
        ssh.run(["sh", "-c", f": {secret[:6]}-shown; sleep 1"])
        if any(b"kk-sec-shown" in arguments for arguments in set(seen)):
            break
    over.set()
    watcher.join()
    assert any(b"kk-sec-shown" in arguments for arguments in seen), "the search finds nothing"
    assert not any(secret.encode() in arguments for arguments in seen)


def test_what_a_forgotten_program_prints_later_reaches_no_other_call(ssh, private_host):
    over = Path(f"/proc/{private_host.init}/root/run/kk-late")
    ssh.run(["sh", "-c", "(sleep 0.1; echo late; echo late >&2; : >/run/kk-late) &"])
    until(over.exists)
    ended = ssh.run(["echo", "mine"])
    assert (ended.out, ended.err) == (b"mine\n", b"")


def test_start_up_files_that_print_do_no_harm(tmp_path):
    noise = tmp_path / "noise"
    noise.write_text("echo noise; echo noise >&2; echo x >>/run/noise-made\n")
    host = PrivateHost(tmp_path / "host", more=f"SetEnv BASH_ENV={noise}", root_shell="/bin/bash")
    try:
        with host.fleet() as fleet:
            ended = fleet["h"].run(["echo", "mine"])
            assert (ended.out, ended.err) == (b"mine\n", b"")
            assert fleet["h"].read("/run/noise-made").startswith(b"x\n")
    finally:
        host.power_off()


def test_the_end_of_a_program_that_takes_too_long_is_the_end_of_its_group(ssh, private_host):
    with pytest.raises(StepTimeout):
        ssh.run(["sh", "-c", "sleep 4321 & sleep 4321"], timeout=0.5)
    until(lambda: private_host.command_lines("4321") == [])
    assert ssh.run(["echo", "next"]).text == "next"


def test_a_program_that_ignores_its_end_is_killed(ssh, private_host):
    with pytest.raises(StepTimeout):
        ssh.run(["sh", "-c", "trap '' TERM; while :; do sleep 0.1; : 8765; done"], timeout=0.3)
    until(lambda: private_host.command_lines("8765") == [])


def test_two_threads_with_two_hundred_commands_each_get_their_own_answers(ssh):
    wrong = []

    def work(number):
        wrong.extend(turn for turn in range(200) if ssh.run(["echo", f"{number}-{turn}"]).text != f"{number}-{turn}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_short_calls_go_on_while_programs_run(ssh):
    ssh.remove("/run/kk-go")
    work = ["sh", "-c", "echo x >>/run/kk-begun; until [ -e /run/kk-go ]; do sleep 0.1; done"]
    threads = [threading.Thread(target=ssh.run, args=(work,)) for _ in range(LONG)]
    for thread in threads:
        thread.start()
    until(lambda: len(lines(ssh, "/run/kk-begun")) == LONG)
    for _ in range(10):
        ssh.stat("/etc")
    ssh.write(File(path="/run/kk-go", content=b""))  # until now none of them could end
    for thread in threads:
        thread.join()


def test_an_argument_with_a_nul_is_refused_before_anything_is_sent(ssh):
    with pytest.raises(ValueError, match="NUL"):
        ssh.run(["echo", "a\0b"])
