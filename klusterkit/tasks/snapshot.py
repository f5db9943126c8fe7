"""Data of etcd from a snapshot, before its member is started for the first time."""

from __future__ import annotations

from typing import ClassVar

from klusterkit.engine.errors import CommandFailed, PermanentError
from klusterkit.engine.step import Before, Context, Observation, Step, Undo
from klusterkit.tasks import note
from klusterkit.tasks.artifacts import place

ETCDUTL = "/usr/local/bin/etcdutl"
BUMP = 1_000_000_000
"""Revisions that a restored cluster skips, so that nobody who watched the old one takes a new revision for one that it
has seen (etcd's documentation, "Restoring with revision bump")."""
_LATER = "restoring"
"""The folder beside, within the data folder: a rename crosses no file system."""


class Restore(Step):
    """Fill an empty data folder from a snapshot that was uploaded. What is there already is never overwritten.

    Args:
        sha256: of the snapshot as it was uploaded.
        name: of the member.
        peer: the URL by which other members will reach it.
        token: of the new cluster: members of the old one would not be let in.
        data: the folder, which is there and empty.
        skip_hash_check: the snapshot was copied from a data folder, and so has no hash of its own.
    """

    kind: ClassVar[str] = "etcd.restore"
    undoing: ClassVar[Undo] = Undo.CONTAINED

    sha256: str
    name: str
    peer: str
    token: str
    data: str = "/var/lib/etcd"
    skip_hash_check: bool = False

    @property
    def title(self) -> str:
        """What it does."""
        return f"restore the snapshot {self.sha256[:12]} to {self.data}"

    @property
    def _note(self) -> str:
        return f"restored/{self.data.strip('/').replace('/', '%')}"

    def observe(self, on: Context) -> Observation:
        """Whether the data came from this snapshot."""
        said = note.read(on, self._note)
        ours = (said.get("sha256"), said.get("token")) == (self.sha256, self.token)
        member, beside = on.host.stat(f"{self.data}/member", f"{self.data}/{_LATER}")
        done = ours and member.type == "directory" and beside.type == "absent"
        return Observation(satisfied=done, partial=ours and not done, reason="" if done else "not restored yet")

    def apply(self, on: Context, before: Before) -> None:
        """Restore beside, and rename: the data is there whole or not at all."""
        _ = before
        beside, member = f"{self.data}/{_LATER}", f"{self.data}/member"
        ours = self.observe(on)
        there = on.host.stat(member)[0].type != "absent"
        if there and not (ours.satisfied or ours.partial):
            raise PermanentError(
                f"{self.data} holds data of etcd already",
                host=on.host.name,
                seen=member,
                hint="`etcdadm reset` sets it aside; then restore",
            )
        note.write(on, self._note, {"sha256": self.sha256, "token": self.token})
        if not there:
            on.host.remove(beside, recursive=True)
            self._run(on, *self._restoring(beside))
            self._run(on, "mv", "-T", f"{beside}/member", member)
        # All that the cluster knew: it lies in the data folder now, and nowhere else.
        on.host.remove(place(self.sha256))
        on.host.remove(beside, recursive=True)

    def _restoring(self, folder: str) -> list[str]:
        return [
            *(ETCDUTL, "snapshot", "restore", place(self.sha256), f"--data-dir={folder}", f"--name={self.name}"),
            *(f"--initial-cluster={self.name}={self.peer}", f"--initial-advertise-peer-urls={self.peer}"),
            *(f"--initial-cluster-token={self.token}", f"--bump-revision={BUMP}", "--mark-compacted"),
            *(["--skip-hash-check"] if self.skip_hash_check else []),
        ]

    def _run(self, on: Context, *argv: str) -> None:
        ended = on.host.run(argv, timeout=on.timeout)
        if not ended.ok:
            raise CommandFailed(
                "the snapshot can't be restored",
                host=on.host.name,
                seen=ended.said,
                hint="see that the file is a whole snapshot (`etcdutl snapshot status FILE`), and that there is room",
            )
