"""kubeadm, phase by phase: ``kubeadm init phase …`` with a configuration file that is there already."""

from __future__ import annotations

from typing import ClassVar

from klusterkit.engine.errors import CommandFailedTemporarily
from klusterkit.engine.step import Before, Context, Observation, Step, Undo
from klusterkit.tasks import kubectl
from klusterkit.tasks.durable import flush

KUBEADM = "/usr/local/bin/kubeadm"
CONFIG = "/etc/kubernetes/kubeadm.yaml"


class Phase(Step):
    """A phase that writes files on its host, such as ``control-plane apiserver``.

    ``makes`` are the files; each is taken as made when it contains all texts of ``holding``.
    """

    kind: ClassVar[str] = "kubeadm.phase"

    path: str
    config: str = CONFIG
    makes: tuple[str, ...]
    holding: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The phase as kubeadm calls it."""
        return f"kubeadm init phase {self.path}"

    @property
    def writes(self) -> tuple[str, ...]:
        """The files."""
        return self.makes

    def observe(self, on: Context) -> Observation:
        """Whether the files are there and say what they should."""
        entries = on.host.stat(*self.makes)
        before = {"files": {entry.path: entry.sha256 for entry in entries if entry.type != "absent"}}
        for path in self.makes:
            if path not in before["files"]:
                return Observation(satisfied=False, before=before, reason=f"{path} is not there")
            text = on.host.read(path).decode(errors="replace")
            missing = [words for words in self.holding if words not in text]
            if missing:
                return Observation(
                    satisfied=False, before=before, partial=True, reason=f"{path} doesn't say {missing[0]!r}"
                )
        return Observation(satisfied=True, before=before)

    def apply(self, on: Context, before: Before) -> None:
        """Keep what is there, then run the phase."""
        for path in before["files"]:
            on.host.keep(path, on.kept(path))
        _run(on, self.path, self.config)
        flush(on, *self.makes)

    def undo(self, on: Context, before: Before) -> None:
        """Put back the files that were there, remove the others."""
        found = on.host.stat(*self.makes)
        for entry in found:
            was = before["files"].get(entry.path)
            if was is None:
                on.host.remove(entry.path)
            elif entry.type == "absent" or entry.sha256 != was:
                on.host.put_back(on.kept(entry.path), entry.path)


class ApiPhase(Step):
    """A phase that makes objects in the cluster's API, such as ``upload-config kubelet``.

    ``objects`` (``kind/name``, those with a namespace in kube-system) must all exist for it to be taken as made.
    kubeadm itself creates or updates each of them, so the phase can be repeated.
    """

    kind: ClassVar[str] = "kubeadm.api-phase"
    undoing: ClassVar[Undo] = Undo.CONTAINED

    path: str
    config: str = CONFIG
    objects: tuple[str, ...]
    labels: str = ""
    """A label selector that the objects must fit too."""

    @property
    def title(self) -> str:
        """The phase as kubeadm calls it."""
        return f"kubeadm init phase {self.path}"

    def observe(self, on: Context) -> Observation:
        """Whether all objects are there."""
        missing = self._missing(on)
        reason = f"not in the API: {', '.join(missing)}" if missing else ""
        return Observation(satisfied=not missing, partial=0 < len(missing) < len(self.objects), reason=reason)

    def _missing(self, on: Context) -> list[str]:
        # A selector and names exclude each other: ask for all of the kind and look for the names.
        by_labels = (self.objects[0].split("/")[0], f"--selector={self.labels}")
        wanted = by_labels if self.labels else self.objects
        ended = kubectl.ask(on, "get", *wanted, "--namespace=kube-system", "--ignore-not-found", "--output=name")
        # kubectl answers `role.rbac.authorization.k8s.io/NAME` to `role/NAME`.
        answers = [line.partition("/") for line in ended.text.splitlines()]
        there = {f"{kind.partition('.')[0]}/{name}" for kind, _, name in answers}
        return [item for item in self.objects if item not in there]

    def apply(self, on: Context, before: Before) -> None:
        """Run the phase."""
        _ = before
        _run(on, self.path, self.config)

    def verify(self, on: Context) -> None:
        """Nothing to add: kubeadm ends well only after the API server has acknowledged each object."""


def _run(on: Context, path: str, config: str) -> None:
    ended = on.host.job(on.key, [KUBEADM, "init", "phase", *path.split(), f"--config={config}"], timeout=on.timeout)
    if not ended.ok:
        raise CommandFailedTemporarily(
            f"kubeadm init phase {path} failed",
            host=on.host.name,
            seen=ended.said,
            hint=f"try it on {on.host.name}: {KUBEADM} init phase {path} --config={config} -v=5",
        )
