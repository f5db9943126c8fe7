"""A lane takes exactly its own reply out of whatever the stream brings, in whatever pieces."""

import re
import select
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.hosts.lane import Lane, LaneTimeout
from klusterkit.hosts.stream import ProcessStream, StreamClosed


class ScriptedShell:
    """Answers each request with these outputs and status, with noise before it, in pieces of this size."""

    def __init__(self, out=b"", err=b"", rc=0, *, noise=b"", piece=1 << 16, trailer=True):
        self.out, self.err, self.rc, self.noise, self.piece, self.trailer = out, err, rc, noise, piece, trailer
        self.pending = [b"", b""]
        self.closed = False

    def send(self, data):
        nonce = re.search(rb"echo ([0-9a-f]{32})", bytes(data)).group(1)
        for at, text in enumerate((self.out, self.err)):
            end = b"%s %d\n" % (nonce, self.rc) if self.trailer else b""
            self.pending[at] += self.noise + nonce + b"\n" + text + end

    def receive(self, timeout, *, errors_only=False):
        pieces = [pending[: self.piece] for pending in self.pending]
        if not any(pieces) and not self.trailer:
            raise StreamClosed("gone")
        self.pending = [pending[self.piece :] for pending in self.pending]
        return tuple(pieces)

    def close(self):
        self.closed = True


@given(
    out=st.binary(max_size=400),
    err=st.binary(max_size=50),
    noise=st.binary(max_size=50),
    rc=st.integers(0, 255),
    piece=st.integers(1, 70),
)
def test_a_reply_is_what_is_between_header_and_trailer(out, err, noise, rc, piece):
    reply = Lane(ScriptedShell(out, err, rc, noise=noise, piece=piece)).call(b":", timeout=5)
    assert (reply.out, reply.err, reply.rc) == (out, err, rc)


@given(size=st.integers(0, 5000), limit=st.integers(1, 1000), piece=st.integers(1, 500))
def test_the_end_of_a_long_output_is_kept(size, limit, piece):
    out = bytes(number % 251 for number in range(size))
    reply = Lane(ScriptedShell(out, piece=piece)).call(b":", timeout=5, limit=limit)
    assert reply.out == out[-limit:]


def test_an_output_that_holds_an_old_number_is_not_cut_there():
    shell = ScriptedShell()
    lane = Lane(shell)
    sent = []
    send = shell.send
    shell.send = lambda data: (sent.append(re.search(rb"echo ([0-9a-f]{32})", data).group(1)), send(data))
    lane.call(b":", timeout=5)
    shell.out = sent[0] + b" 0\n" + sent[0] + b"\n"
    assert lane.call(b":", timeout=5).out == shell.out
    assert len(set(sent)) == 2


def test_a_stream_that_ends_in_the_middle_breaks_the_lane_and_tells_the_last_words():
    lane = Lane(ScriptedShell(b"", b"sudo: a password is required\n", trailer=False))
    with pytest.raises(StreamClosed, match="password is required"):
        lane.call(b":", timeout=5)
    assert lane.broken


def test_a_shell_that_has_ended_before_it_is_asked_is_still_heard_out():
    shell = ProcessStream(["/bin/sh", "-c", "exec 2>&1 <&-; echo sudo: a password is required"])
    while not select.select([shell._out], [], [], 0)[0]:
        time.sleep(0.01)
    with pytest.raises(StreamClosed, match="a password is required"):
        Lane(shell).call(b":", timeout=5)
    shell.close()


def test_a_reply_that_does_not_come_breaks_the_lane():
    shell = ScriptedShell()
    shell.send = lambda data: None
    lane = Lane(shell)
    with pytest.raises(LaneTimeout):
        lane.call(b":", timeout=0.1)
    assert lane.broken
