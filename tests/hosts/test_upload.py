"""Large files arrive whole or not at all, and what has arrived isn't sent again."""

import contextlib
import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from klusterkit.engine.errors import CommandFailed, PermanentError
from klusterkit.engine.host import HOME

BIG = f"{HOME}/big"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(os.urandom(24 << 20))
    return path


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sent(host, act):
    """Bytes that went to the host's sshd meanwhile."""
    before = _received(host)
    act()
    return _received(host) - before


def _received(host):
    total = 0
    for pid in host.pids("sshd"):
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{pid}/io").read_text().split()[1])
    return total


def test_a_file_that_is_there_is_not_sent_again(own_host, source):
    with own_host.fleet() as fleet:
        host = fleet["h"]
        first = sent(own_host, lambda: host.upload(source, digest(source), "/run/there", 0o755))
        again = sent(own_host, lambda: host.upload(source, digest(source), "/run/there", 0o600))
        assert first > 24 << 20
        assert again < 1 << 20
        assert host.stat("/run/there")[0].mode == 0o600


def test_an_upload_goes_on_from_what_an_earlier_one_left(own_host, source):
    with own_host.fleet() as fleet:
        host = fleet["h"]
        host.upload(source, digest(source), "/run/other")
        host.run(["sh", "-c", "head -c 20000000 /run/other >/run/there.part"])
        rest = sent(own_host, lambda: host.upload(source, digest(source), "/run/there"))
        assert host.stat("/run/there")[0].sha256 == digest(source)
        assert host.stat("/run/there.part")[0].type == "absent"
        assert rest < 8 << 20


def test_a_part_of_something_else_is_started_over(own_host, source):
    with own_host.fleet() as fleet:
        host = fleet["h"]
        host.run(["sh", "-c", "head -c 5000000 /dev/urandom >/run/there.part"])
        host.upload(source, digest(source), "/run/there")
        assert host.stat("/run/there")[0].sha256 == digest(source)


def test_an_upload_survives_cuts_in_its_middle(own_host, tmp_path):
    big = tmp_path / "big"
    with big.open("wb") as file:
        for _ in range(256):
            file.write(os.urandom(1 << 20))
    with own_host.fleet() as fleet:
        host = fleet["h"]
        host.connect()
        stop = threading.Event()
        cuts = []

        def cut():
            while not stop.is_set() and len(cuts) < 3:
                if _part(own_host) > (len(cuts) + 1) * (40 << 20):
                    own_host.cut()
                    cuts.append(time.monotonic())
                time.sleep(0.005)

        cutter = threading.Thread(target=cut)
        cutter.start()
        host.upload(big, digest(big), BIG)
        stop.set()
        cutter.join()
        assert cuts
        assert host.stat(BIG)[0].sha256 == digest(big)


def _part(host):
    try:
        return (host.folder / "home" / "big.part").stat().st_size
    except FileNotFoundError:
        return 0


def test_a_source_that_is_not_what_it_should_be_is_refused_and_leaves_nothing(own_host, source):
    with own_host.fleet() as fleet:
        host = fleet["h"]
        with pytest.raises(PermanentError, match="another checksum"):
            host.upload(source, "0" * 64, "/run/there")
        assert [entry.type for entry in host.stat("/run/there", "/run/there.part")] == ["absent", "absent"]


def test_a_full_disk_is_an_error_in_words_and_the_host_goes_on(own_host, source):
    with own_host.fleet() as fleet:
        host = fleet["h"]
        host.run(["sh", "-c", "mkdir /run/small && mount -t tmpfs -o size=1m none /run/small"])
        with pytest.raises(CommandFailed) as caught:
            host.upload(source, digest(source), "/run/small/there")
        assert "No space left" in caught.value.seen
        assert host.run(["echo", "next"]).text == "next"


def test_a_missing_folder_is_an_error_in_words(own_host, source):
    with own_host.fleet() as fleet:
        with pytest.raises(CommandFailed) as caught:
            fleet["h"].upload(source, digest(source), "/run/no/there")
        assert "No such file" in caught.value.seen or "nonexistent" in caught.value.seen


def test_several_uploads_run_side_by_side(own_host, source):
    with own_host.fleet() as fleet:
        host = fleet["h"]
        threads = [
            threading.Thread(target=host.upload, args=(source, digest(source), f"/run/there-{n}")) for n in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {entry.sha256 for entry in host.stat(*(f"/run/there-{n}" for n in range(6)))} == {digest(source)}
