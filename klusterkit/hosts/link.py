"""A host's shells, over a connection that is made when it is needed and made again when it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential_jitter
from tenacity.nap import sleep_using_event

from klusterkit.engine.errors import HostUnreachable
from klusterkit.hosts.errors import ConnectionLost, RootRefused
from klusterkit.hosts.lane import LIMIT, Lane, LaneTimeout, Reply
from klusterkit.hosts.lanes import Lanes
from klusterkit.hosts.lease import Lease
from klusterkit.hosts.prelude import prelude
from klusterkit.hosts.stream import StreamClosed
from klusterkit.hosts.transport import Transport

PATIENCE = 120.0
OPEN_TIMEOUT = 30.0
AWAY = 10.0
"""Seconds in which a host isn't tried again that was waited for in vain: all tasks that want it hear the same."""
STALE = 5.0
"""Seconds after which a lane that wasn't used is tried before it gets what must not be sent twice."""


@dataclass(frozen=True)
class _Request:
    # What a caller wants, as :meth:`Link.call` tells.
    script: bytes
    timeout: float
    repeat: bool
    long: bool
    limit: int
    feed: Iterable[bytes] | None


class Link:
    """Thread-safe.

    Args:
        transport: the connection.
        patience: seconds that are spent on connecting again when a connection was lost, by all callers together: a
            host that stays away is waited for once, and not by each task anew. A first connection that can't be made
            is an error at once.
        lease: the lock that is taken on every connection, if this is to change the host.
    """

    def __init__(self, transport: Transport, *, patience: float = PATIENCE, lease: Lease | None = None) -> None:
        self._transport = transport
        self._patience = patience
        self._lease = lease
        self._lock = threading.Lock()
        self._lanes: Lanes | None = None
        self._held: Lane | None = None
        self._spare: Lane | None = None
        """A shell of the connection that stands, which the lease can be taken in."""
        self._been_there = False
        self._closed = threading.Event()
        self._lost: float | None = None
        """When the first of the attempts failed that have failed since there was a connection."""
        self._tried = 0.0
        self._failures = 0
        self._failure: Exception | None = None

    @property
    def name(self) -> str:
        """The machine's name in the plan."""
        return self._transport.name

    def call(
        self,
        script: bytes,
        *,
        timeout: float = 60.0,
        repeat: bool = True,
        long: bool = False,
        limit: int = LIMIT,
        feed: Iterable[bytes] | None = None,
    ) -> Reply:
        """Run a script on the host.

        Args:
            script: commands.
            timeout: seconds; the script should take care to end earlier.
            repeat: whether it may be sent again when the connection is lost and it isn't known whether it ran. If
                not, it is sent again only when it certainly wasn't sent.
            long: whether it can take long; see :class:`Lanes`.
            limit: bytes to keep of each output.
            feed: what the script reads from its input.

        Raises:
            ConnectionLost: the connection was lost while the script ran, or there was no answer in time, and it must
                not be repeated.
            HostUnreachable: the host couldn't be reached in time.
            HostRefused: it can't be used.
        """
        return self._retrying(repeat=repeat)(self._once, _Request(script, timeout, repeat, long, limit, feed))

    def close(self) -> None:
        """Disconnect. Calls that wait end with ``HostUnreachable``; what runs on the host goes on."""
        self._closed.set()
        with self._lock:
            self._drop()

    def connect(self) -> None:
        """Connect now, and see that there is a root shell."""
        self.call(b"")

    def claim(self, lease: Lease | None, patience: float) -> None:
        """Take this lease with the next call, on the connection that stands. Nobody must be calling.

        Args:
            lease: the lock, if this is to change the host.
            patience: from now on.
        """
        with self._lock:
            self._lease, self._patience = lease, patience
            lanes, self._lanes = self._lanes, None  # their shells don't work under the lease; one can hold it
            if lanes is not None and lease is not None and self._spare is None:
                self._spare = lanes.spare()
        if lanes is not None:
            lanes.close()

    def _retrying(self, *, repeat: bool) -> Retrying:
        def lost(error: BaseException) -> bool:
            if self._closed.is_set() or not isinstance(error, HostUnreachable):
                return False
            return repeat or not isinstance(error, ConnectionLost)

        return Retrying(
            retry=retry_if_exception(lost),
            stop=self._out_of_patience,
            wait=wait_exponential_jitter(multiplier=0.1, max=5.0, jitter=0.5),
            sleep=sleep_using_event(self._closed),
            reraise=True,
        )

    def _out_of_patience(self, state: RetryCallState) -> bool:
        return not self._been_there or self._given_up or (state.seconds_since_start or 0.0) >= self._patience

    @property
    def _given_up(self) -> bool:
        return self._lost is not None and time.monotonic() - self._lost >= self._patience

    def _once(self, request: _Request) -> Reply:
        lanes = self._ready()
        with lanes.borrow(long=request.long) as lane:
            if not request.repeat and time.monotonic() - lane.used > STALE:
                self._try(lane)
            try:
                return lane.call(request.script, timeout=request.timeout, limit=request.limit, feed=request.feed)
            except StreamClosed as error:
                raise self._lost_while(f"the connection to {self.name} was lost", str(error)) from None
            except LaneTimeout:
                self._give_up(lanes)
                raise self._lost_while(f"{self.name} didn't answer in {request.timeout:g} s") from None

    def _lost_while(self, message: str, seen: str = "") -> ConnectionLost:
        hint = "what was running there goes on; the host's own record tells how it ended"
        return ConnectionLost(message, host=self.name, seen=seen, hint=hint)

    def _give_up(self, lanes: Lanes) -> None:
        """Connect anew for the next call: behind a jump host nothing else tells that the connection is dead.

        If it isn't, what was running there goes on, and under a lease the new connection waits for its end.
        """
        with self._lock:
            if self._lanes is lanes:
                self._drop()

    def _try(self, lane: Lane) -> None:
        try:
            lane.call(b"", timeout=OPEN_TIMEOUT)
        except (StreamClosed, LaneTimeout) as error:
            raise HostUnreachable(f"the connection to {self.name} was lost", host=self.name, seen=str(error)) from None

    def _ready(self) -> Lanes:
        """The lanes of a connection that stands. Who waits while another's attempt fails shares its error."""
        failures = self._failures
        with self._lock:
            if self._closed.is_set():
                raise HostUnreachable(f"the connection to {self.name} has been closed", host=self.name)
            if self._lanes is not None and self._transport.alive and not (self._held and self._held.broken):
                return self._lanes
            known = self._failures > failures or (self._given_up and time.monotonic() - self._tried < AWAY)
            if known and self._failure is not None:
                raise self._failure
            if self._held or not self._transport.alive:
                self._drop()
            try:
                return self._connect()
            except Exception as error:
                self._failures, self._failure = self._failures + 1, error
                self._tried = time.monotonic()
                self._lost = self._lost or self._tried
                self._drop()
                raise

    def _connect(self) -> Lanes:
        if not self._transport.alive:
            self._transport.close()
            self._transport.connect()
        if self._lease is not None:
            self._held, self._spare = self._spare or self._open_lane(b""), None
            self._lease.take(self._held, self.name)
        self._lanes = Lanes(lambda: self._open_lane(b"\nkk_work" if self._lease else b""))
        self._been_there, self._lost = True, None
        return self._lanes

    def _drop(self) -> None:
        lanes, self._lanes = self._lanes, None
        kept, self._held, self._spare = (self._held, self._spare), None, None
        for lane in (lanes, *kept):
            if lane is not None:
                lane.close()
        self._transport.close()

    def _open_lane(self, more: bytes) -> Lane:
        lane = Lane(self._transport.open())
        try:
            reply = lane.call(prelude() + b"id -u" + more, timeout=OPEN_TIMEOUT)
        except StreamClosed as error:
            if error.status is None:  # killed, or cut off: a host that goes down ends shells before connections
                raise HostUnreachable(
                    f"the connection to {self.name} was lost", host=self.name, seen=str(error)
                ) from None
            raise self._no_shell(str(error)) from None
        except LaneTimeout:
            raise HostUnreachable(f"{self.name} doesn't start a shell", host=self.name) from None
        if reply.rc or reply.out.strip() != b"0":
            lane.close()
            raise self._no_shell(reply.err.decode(errors="replace").strip() or "a shell that isn't root's")
        return lane

    def _no_shell(self, said: str) -> RootRefused:
        return RootRefused(
            f"{self._transport.where} gives no root shell on {self.name}",
            host=self.name,
            seen=said,
            hint="log in as root, or let the user use sudo without a password: USER ALL=(ALL) NOPASSWD: ALL",
        )
