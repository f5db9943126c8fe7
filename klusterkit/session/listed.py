"""What a state file holds besides clusters, machines and credentials, as objects of kinds of our own.

They tell what was done and what is trusted. Nothing is made by giving them back: other commands change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from klusterkit.cluster.objects import OWN_API_VERSION
from klusterkit.moments import moment
from klusterkit.session.hold import Hold

Object = dict[str, Any]

CHANGED_BY: Mapping[str, str] = {
    "Run": "a run is made by doing something; `cctl history` tells more of it",
    "Bundle": "a bundle is used with --bundle FILE",
    "BundleKey": "a key is pinned by `cctl bundle trust KEY`",
    "HostKey": "a host's key is pinned when it is met, and forgotten by `cctl state host-key forget HOST`",
    "Recipient": "who opens the state file is changed by `cctl state recipient`",
}
"""Kinds of objects that can't be applied, each with what changes it instead."""


def listed(hold: Hold, kind: str) -> list[Object]:
    """The objects of a kind: a key of :data:`KINDS`."""
    return [*KINDS[kind](hold)]


def _object(kind: str, name: str, **parts: Mapping[str, Any]) -> Object:
    return {"apiVersion": OWN_API_VERSION, "kind": kind, "metadata": {"name": name}, **parts}


def _runs(hold: Hold) -> Iterator[Object]:
    """Finished ones, oldest first. What each task took is told by ``cctl history --timing``."""
    for brief in hold.snapshot.runs:
        status = {"outcome": brief["outcome"], "who": brief.get("who"), "tasks": brief.get("tasks")}
        times = {name: moment(brief[name]) for name in ("began", "ended") if name in brief}
        spec = {"operation": brief["operation"], "plan": brief.get("plan")}
        yield _object("Run", brief["name"], spec=_said(spec), status=_said(status | times))


def _bundle(hold: Hold) -> Iterator[Object]:
    """The newest that the cluster was made from."""
    if used := hold.snapshot.bundle:
        status = {"created": used["created"], "trustedKeys": [key.name for key in _keys(hold)]}
        yield _object("Bundle", used["id"], status=status)


def _bundle_keys(hold: Hold) -> Iterator[Object]:
    for key in _keys(hold):
        yield _object("BundleKey", key.name, spec={"publicKey": key.text})


def _keys(hold: Hold) -> list[Any]:
    from klusterkit.bundle.minisign import PublicKey  # slow to import

    return [PublicKey.parse(text) for text in hold.snapshot.bundle_keys]


def _host_keys(hold: Hold) -> Iterator[Object]:
    """One for each host, with all its keys."""
    from klusterkit.session.hostkeys import pinned_host_keys  # slow to import

    hosts: dict[str, list[dict[str, str]]] = {}
    for key in pinned_host_keys(hold):
        hosts.setdefault(key["host"], []).append({"type": key["type"], "fingerprint": key["fingerprint"]})
    for host, keys in hosts.items():
        yield _object("HostKey", host, spec={"keys": keys})


def _recipients(hold: Hold) -> Iterator[Object]:
    for recipient in hold.snapshot.encryption.recipients:
        yield _object("Recipient", recipient, spec={"type": "age"})


def _said(parts: Mapping[str, Any]) -> Object:
    return {name: value for name, value in parts.items() if value is not None}


KINDS: Mapping[str, Callable[[Hold], Iterator[Object]]] = {
    "run": _runs,
    "bundle": _bundle,
    "bundlekey": _bundle_keys,
    "hostkey": _host_keys,
    "recipient": _recipients,
}
"""What makes the objects of each kind."""
