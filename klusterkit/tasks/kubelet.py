"""What surrounds the kubelet on its host: the folders of pods, and the pods themselves when it is all taken back."""

from __future__ import annotations

from typing import ClassVar

from klusterkit.engine.errors import CommandFailedTemporarily
from klusterkit.engine.step import Before, Context, Observation, Step
from klusterkit.tasks.containerd import CTR, SOCKET
from klusterkit.tasks.tree import unmount_below

STATIC_PODS = "/etc/kubernetes/manifests"
FOLDERS = ("/var/log/pods", "/var/log/containers")
SANDBOXES = "/run/containerd/io.containerd.grpc.v1.cri/sandboxes"


class Pods(Step):
    """Make the folders of pods' logs, before a kubelet starts pods.

    Undo comes after the kubelet was stopped and before anything that pods use is taken away: it ends every pod, which
    no unit's stop does (a container outlives kubelet and containerd by design), and removes the folders with all that
    pods left there.
    """

    kind: ClassVar[str] = "kubelet.pods"

    @property
    def title(self) -> str:
        """What it does on the way there; taking it back says more."""
        return "make the folders of pods' logs"

    @property
    def subject(self) -> str:
        """Pods, and where they leave things."""
        return "pods"

    def observe(self, on: Context) -> Observation:
        """Which of the folders are there."""
        there = [entry.path for entry in on.host.stat(*FOLDERS) if entry.type == "directory"]
        missing = [path for path in FOLDERS if path not in there]
        reason = f"{', '.join(missing)} not there" if missing else ""
        # Some and not all: what an apply that was cut between two of them leaves.
        partial = bool(missing) and bool(there)
        return Observation(satisfied=not missing, before={"folders": there}, partial=partial, reason=reason)

    def apply(self, on: Context, before: Before) -> None:
        """Make those that aren't there."""
        for path in FOLDERS:
            if path not in before["folders"]:
                on.host.mkdir(path, 0o755)

    def undo(self, on: Context, before: Before) -> None:
        """End all pods, then remove the folders that were made."""
        self._end_pods(on)
        # What a sandbox shares its memory by: a CRI client's removal takes it away, and ours isn't one.
        unmount_below(on, SANDBOXES, itself=False)
        # The kubelet leaves its cgroups; those that something is still in stay, and go with the next boot.
        on.host.run(["find", "/sys/fs/cgroup", "-depth", "-type", "d", "-path", "*/kubepods*", "-delete"])
        gone = [path for path in FOLDERS if path not in before["folders"]]
        on.host.remove(*gone, recursive=True)

    def _end_pods(self, on: Context) -> None:
        if on.host.stat(SOCKET)[0].type == "absent":
            # No containerd, no pods: it was never started, or the host came up anew and hasn't started it yet.
            return
        tasks = self._listed(on, "tasks")
        if tasks:
            on.host.run([*CTR, "tasks", "remove", "--force", *tasks], timeout=60.0)
        containers = self._listed(on, "containers")
        if containers:
            on.host.run([*CTR, "containers", "remove", *containers], timeout=60.0)
        left = [*self._listed(on, "tasks"), *self._listed(on, "containers")]
        if left:
            raise CommandFailedTemporarily(
                "containers could not be ended",
                host=on.host.name,
                seen=", ".join(left),
                hint=f"see `{' '.join(CTR)} tasks list` on {on.host.name}",
            )

    @staticmethod
    def _listed(on: Context, what: str) -> list[str]:
        ended = on.host.run([*CTR, what, "list", "--quiet"])
        if not ended.ok:
            raise CommandFailedTemporarily(f"containerd doesn't list its {what}", host=on.host.name, seen=ended.said)
        return ended.text.split()
