"""Whether all that a plan brings to hosts is here, or in a bundle: known before any host is touched."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from klusterkit.bundle import ArtifactStore
from klusterkit.bundle.bundle import Bundle
from klusterkit.bundle.errors import BundleLacks
from klusterkit.bundle.minisign import PublicKey
from klusterkit.cluster import Architecture, Artifact, Role, artifacts_for
from klusterkit.engine.errors import UsageError
from klusterkit.engine.plan import Plan, Task
from klusterkit.plans.create import extra_artifacts
from klusterkit.session.hold import Hold
from klusterkit.session.onlooker import Nobody
from klusterkit.session.supply.supplies import supply
from klusterkit.session.supply.trust import trusted_bundle
from klusterkit.tasks.artifacts import Upload


def supply_plan(hold: Hold, plan: Plan, tasks: Iterable[Task]) -> None:
    """See that what these tasks of a plan bring to hosts is on this machine; have it from the bundle or the mirror.

    A run may be gone on with where its plan wasn't made: the machine that made it is lost, say.

    Raises:
        BundleRefused: it isn't in the bundle, or the bundle can't be trusted.
        ArtifactMissing, ArtifactDamaged, MirrorUnreachable, DownloadCut: it can't be had from the mirror.
        UsageError: what the mirror has under its names is something else.
    """
    wanted = needed(tasks)
    missing = _missing(hold, wanted)
    if missing and hold.settings.bundle is not None:
        with trusted_bundle(hold, hold.settings.bundle) as bundle:
            refuse_incomplete(bundle, missing)
            bundle.extract(missing, ArtifactStore(hold.settings.cache))
    elif missing:
        _fetch(hold, plan, missing)


def _missing(hold: Hold, wanted: Mapping[str, str]) -> dict[str, str]:
    return {sha256: name for sha256, name in wanted.items() if not hold.has_artifact(sha256)}


def _fetch(hold: Hold, plan: Plan, missing: Mapping[str, str]) -> None:
    for architecture in {Architecture.parse(str(facts["architecture"])) for facts in plan.facts.values()}:
        supply(hold, architecture, _known(hold, architecture, set(missing.values())), Nobody())
    if others := _missing(hold, missing):
        raise UsageError(
            f"'{plan.operation}' needs {_some(others.values())}, which this machine hasn't",
            seen=f"neither {hold.settings.cache} nor, by the cluster's artifacts' names, {hold.settings.mirror} has it",
            hint="name the bundle or the mirror that the plan was made with (--bundle FILE, --mirror WHERE)",
        )


def _known(hold: Hold, architecture: Architecture, names: Collection[str]) -> list[Artifact]:
    """Those of the cluster's artifacts that have these names."""
    cluster = hold.cluster
    if cluster is None:
        return []
    wanted = artifacts_for([*Role], cluster.kubernetes_version, cluster.cni, architecture, vip=True)
    return [artifact for artifact in (*wanted, *extra_artifacts(cluster.cni)) if artifact.name in names]


def needed(tasks: Iterable[Task]) -> dict[str, str]:
    """What tasks bring to hosts: names by digests."""
    return {task.step.sha256: task.step.name for task in tasks if isinstance(task.step, Upload)}


def refuse_incomplete(bundle: Bundle, wanted: dict[str, str]) -> None:
    """Raise ``BundleLacks`` if it hasn't all of these, names by digests."""
    lacking = {sha256: name for sha256, name in wanted.items() if sha256 not in bundle.blobs}
    if not lacking:
        return
    same = {entry.name for entry in bundle.manifest.entries}
    other = [name for name in lacking.values() if name in same]
    raise BundleLacks(
        f"it lacks {len(lacking)} of {len(wanted)} files that the plan needs: {_some(lacking.values())}",
        seen=f"it has others of the names {_some(other)}" if other else f"it is the bundle {bundle.manifest.summary}",
        hint="name the bundle that the plan was made with, or plan again with this one",
    )


def _some(names: Iterable[str]) -> str:
    all_of_them = sorted(names)
    return ", ".join(all_of_them[:5]) + (f" and {len(all_of_them) - 5} more" if len(all_of_them) > 5 else "")


def check_bundle(path: Path, plan: Plan, keys: Sequence[PublicKey] | None) -> int:
    """See that a bundle is whole and has everything that a plan needs. Returns how many files that is.

    Args:
        path: of the bundle.
        plan: what it is for.
        keys: one of which is to have signed it; None leaves the signature alone.

    Raises:
        BundleRefused: it isn't, or hasn't.
    """
    with Bundle.open(path, keys) as bundle:
        bundle.verify_content()
        return _complete(bundle, plan)


def check_for_run(hold: Hold, path: Path, plan: Plan) -> int:
    """Likewise, and that a run of this state takes it: signed by a trusted key, no older than the last one.

    Raises:
        BundleRefused: it won't.
    """
    with trusted_bundle(hold, path) as bundle:
        return _complete(bundle, plan)


def _complete(bundle: Bundle, plan: Plan) -> int:
    wanted = needed(plan.tasks)
    refuse_incomplete(bundle, wanted)
    return len(wanted)
