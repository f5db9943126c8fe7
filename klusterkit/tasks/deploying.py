"""Objects of the operator's own in the cluster's API: each brought there by itself, and given back as it was."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from typing import Any, ClassVar

from pydantic import Field

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily, KlusterKitError
from klusterkit.engine.host import Completed
from klusterkit.engine.step import Before, Context, Difference, Observation, Step
from klusterkit.engine.yamltext import document
from klusterkit.tasks import kubectl, note
from klusterkit.tasks.apiobject import Object, Reference, content, way_back

MANAGER = "--field-manager=klusterkit-deploy"
_KEYED_BY = "ca.key"
"""Digests of what was there are keyed: plain ones would let a weak secret be guessed from the journal."""
_CONFLICT = "Apply failed with"
_ADVICE = "Please review the fields above"
"""What kubectl says after naming a conflict is about its own options."""
_GOING = 30.0
"""Seconds more that a host may take for a deletion than kubectl does."""


class Deploy(Step):
    """Bring one object to what a manifest says (server-side apply, KEP-555), and give back what was there.

    Undo deletes an object that was not there, and all that the API server deletes with it. Of one that was there, it
    sets back the fields that were changed, and who manages which: else the next apply would be a conflict with our own
    undo. What others have changed meanwhile stays. It can't give back what pods have done.

    Args:
        manifest: of this object alone; of a Secret without its data.
        secrets: of a Secret: names of secrets, by the keys of its data.
        force: whether fields are taken over that somebody else manages and has other values for.
    """

    kind: ClassVar[str] = "kubernetes.object"

    manifest: dict[str, Any]
    secrets: dict[str, str] = Field(default_factory=dict[str, str])
    force: bool = False

    @property
    def target(self) -> Reference:
        """The object."""
        return Reference.of(self.manifest)

    @property
    def title(self) -> str:
        """What it does."""
        return f"apply {self.target}"

    @property
    def is_secret(self) -> bool:
        """Whether nobody may see what is in it."""
        return self.target.type == ("", "Secret")

    def observe(self, on: Context) -> Observation:
        """Whether it is there, and as the manifest says. What the API server would refuse is found here already."""
        live = self._live(on)
        after = self._tried(on, there=live is not None)
        if live is None or after is None:
            return Observation(satisfied=False, before={"there": False}, reason="it is not there")
        back = way_back(content(after), content(live))
        changed = hmac.digest(on.secret(_KEYED_BY), json.dumps(back, sort_keys=True).encode(), "sha256").hex()
        return Observation(
            satisfied=not back,
            before={"there": True, "back": changed},
            # An undo that was cut has set fields back, and not yet who manages them.
            partial=bool(back) and bool(note.read(on, self._kept(on))),
            reason="it is different" if back else "",
        )

    def apply(self, on: Context, before: Before) -> None:
        """Keep what leads back, then apply."""
        if before["there"] and not note.read(on, self._kept(on)):
            self._keep(on)
        ended = self._request(on)
        if not ended.ok:
            raise self._failed(on, ended)

    def verify(self, on: Context) -> None:
        """Nothing to add: the API server acknowledges an object only when etcd has it."""

    def undo(self, on: Context, before: Before) -> None:
        """Delete it, or set back what was changed. Where nothing was kept, nothing was changed."""
        if not before["there"]:
            self._delete(on)
            return
        kept = note.read(on, self._kept(on))
        if kept.get("back"):
            self._patch(on, "merge", kept["back"])
        if kept:
            self._patch(on, "json", [{"op": "add", "path": "/metadata/managedFields", "value": kept["managers"]}])

    def differences(self, on: Context, seen: Observation) -> list[Difference]:
        """Both texts; of a Secret only that it differs."""
        if self.is_secret:
            return [Difference(what=str(self.target), note=f"{seen.reason} (secret, not shown)")]
        live = self._live(on)
        after = self._tried(on, there=live is not None)
        old, new = _text(live) if live else None, _text(after or self.manifest)
        return [Difference(what=str(self.target), old=old, new=new, note=seen.reason)]

    # What the API says ------------------------------------------------------------------------------------------------

    def _live(self, on: Context) -> dict[str, Any] | None:
        """The object as it is. A kind or a namespace that is yet to come has none."""
        options = ("--ignore-not-found", kubectl.COMPACT, "--show-managed-fields")
        ended = kubectl.ask(on, "get", *self.target.words, *options)
        if not ended.ok and not kubectl.has_no_such_kind(ended):
            what, hint = f"the API doesn't tell whether {self.target} is there", "see that the API answers"
            raise CommandFailedTemporarily(what, host=on.host.name, seen=ended.said, hint=hint)
        live: dict[str, Any] | None = kubectl.data_of(ended) if ended.ok else None
        if live and "deletionTimestamp" in live["metadata"]:
            raise CommandFailedTemporarily(
                f"{self.target} is being deleted",
                host=on.host.name,
                seen=f"its finalizers: {', '.join(live['metadata'].get('finalizers', [])) or 'none'}",
                hint="wait until it is gone; where it stays, see what holds it",
            )
        return live

    def _tried(self, on: Context, *, there: bool) -> dict[str, Any] | None:
        """The object as applying would leave it; None where only applying can tell, in its turn.

        What comes before it may still be missing: its kind, its namespace, a pod's account.
        """
        ended = self._request(on, "--dry-run=server")
        if ended.ok:
            return kubectl.data_of(ended)
        failed = self._failed(on, ended)
        if there or not failed.temporary:
            raise failed
        return None

    def _request(self, on: Context, *options: str) -> Completed:
        force = ("--force-conflicts",) if self.force else ()
        how = ("--server-side", MANAGER, *force, kubectl.COMPACT, "--show-managed-fields", "--filename=-")
        return kubectl.ask(on, "apply", *how, *options, stdin=self._whole(on), timeout=60.0)

    def _whole(self, on: Context) -> bytes:
        """The manifest as JSON: YAML means other things to kubectl than to us here and there."""
        data = {key: b64encode(on.secret(name)).decode() for key, name in self.secrets.items()}
        return json.dumps({**self.manifest, **({"data": data} if data else {})}).encode()

    def _failed(self, on: Context, ended: Completed) -> KlusterKitError:
        said = ended.err.decode(errors="replace")
        what, seen = f"{self.target} can't be applied", said.partition(_ADVICE)[0].strip()
        if _CONFLICT in said:
            hint = "leave these fields to who manages them, or take them over: --force-conflicts"
            return CommandFailed(what, host=on.host.name, seen=seen, hint=hint)
        if kubectl.is_about_content(ended):
            return CommandFailed(what, host=on.host.name, seen=seen, hint="correct the manifest and plan again")
        hint = "see that the API answers, and what it says of the object"
        return CommandFailedTemporarily(what, host=on.host.name, seen=seen, hint=hint)

    # The way back -----------------------------------------------------------------------------------------------------

    def _kept(self, on: Context) -> str:
        return note.kept(on, self.target.path)

    def _keep(self, on: Context) -> None:
        """On the host, as everything that undo puts back: not in the journal, since it may be a secret."""
        live = self._live(on)
        after = self._tried(on, there=True)
        if live and after:
            back = way_back(content(after), content(live))
            # An empty list would not be taken for what it says, but one entry that is empty is (API conventions).
            managers: list[Object] = live["metadata"].get("managedFields") or [{}]
            note.write(on, self._kept(on), {"back": back, "managers": managers})

    def _patch(self, on: Context, form: str, patch: Object | list[Object]) -> None:
        words = (*self.target.words, MANAGER, f"--type={form}", "--patch-file=/dev/stdin")
        kubectl.change(on, "patch", *words, stdin=json.dumps(patch).encode())

    def _delete(self, on: Context) -> None:
        """In the foreground: what belongs to it is gone too, then. Terminating pods take their time."""
        seconds = max(1, int(on.timeout - _GOING))
        how = ("--ignore-not-found", "--cascade=foreground", "--wait=true", f"--timeout={seconds}s")
        ended = kubectl.ask(on, "delete", *self.target.words, *how, timeout=on.timeout)
        if not ended.ok and not kubectl.has_no_such_kind(ended):
            raise CommandFailedTemporarily(
                f"{self.target} could not be deleted",
                host=on.host.name,
                seen=ended.said,
                hint="see what holds it (its finalizers, or pods that don't end), then `cctl rollback` again",
            )


def _text(live: Object) -> str:
    return document(content(live))
