"""What may be a name in Kubernetes (its documentation: "Object Names and IDs", "Labels and Selectors")."""

from __future__ import annotations

import re

from klusterkit.cluster.errors import InvalidCluster

NODE_NAME_LIMIT = 52
"""Characters. A kubelet's certificate names it ``system:node:NAME``, and X.509 allows 64 for that."""
PREFIX_LIMIT = 253
LABEL_LIMIT = 63

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


def subdomain(text: str, where: str, limit: int = PREFIX_LIMIT) -> str:
    """The text, if it is a DNS name in Kubernetes' sense.

    Raises:
        InvalidCluster: it isn't.
    """
    if len(text) > limit or not _SUBDOMAIN.fullmatch(text):
        raise InvalidCluster(
            f"{text!r} can't be used as a name",
            where=where,
            hint=f"use up to {limit} lower-case letters, digits, inner hyphens and dots",
        )
    return text


def qualified(text: str, where: str) -> str:
    """The text, if it can be the key of a label or taint: a name, or a DNS name, a slash and a name.

    Raises:
        InvalidCluster: it isn't.
    """
    prefix, slash, name = text.rpartition("/")
    if not _QUALIFIED.fullmatch(name) or (slash and not (_SUBDOMAIN.fullmatch(prefix) and len(prefix) <= PREFIX_LIMIT)):
        raise InvalidCluster(
            f"{text!r} can't be a key",
            where=where,
            hint=f"use NAME or DOMAIN/NAME, the name of up to {LABEL_LIMIT} letters, digits, and '-', '_', '.' inside",
        )
    return text


def label_value(text: str, where: str) -> str:
    """The text, if it can be the value of a label or taint.

    Raises:
        InvalidCluster: it isn't.
    """
    if text and not _QUALIFIED.fullmatch(text):
        raise InvalidCluster(
            f"{text!r} can't be a value",
            where=where,
            hint=f"use up to {LABEL_LIMIT} letters, digits, and '-', '_', '.' inside",
        )
    return text


_KUBELETS_OWN = frozenset(
    (
        *("kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch"),
        *("topology.kubernetes.io/zone", "topology.kubernetes.io/region", "node.kubernetes.io/instance-type"),
        *("failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region"),
        *("beta.kubernetes.io/instance-type", "beta.kubernetes.io/os", "beta.kubernetes.io/arch"),
    )
)
_KUBELETS_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")


def node_label(key: str, where: str) -> str:
    """The key, if a kubelet may give its own node a label of it: otherwise it ends at once, with its host half made.

    The rule is that of ``ValidateKubeletFlags`` and ``IsKubeletLabel`` (Kubernetes, ``k8s.io/kubelet/pkg/apis``).

    Raises:
        InvalidCluster: it may not.
    """
    domain = key.rpartition("/")[0]
    theirs = any(_within(domain, each) for each in ("kubernetes.io", "k8s.io"))
    if theirs and key not in _KUBELETS_OWN and not any(_within(domain, each) for each in _KUBELETS_DOMAINS):
        raise InvalidCluster(
            f"a kubelet may not give its node the label {key}",
            where=where,
            hint="use a domain of your own, or node.kubernetes.io; `kubectl label node` gives any to a ready node",
        )
    return key


def _within(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith(f".{parent}")
