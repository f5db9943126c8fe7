"""What hosts need to be known by and to know others: issued here, with keys that never rest anywhere but on their host.

The keys of authorities stay in the state file: kubeadm calls it the mode of an external authority.
"""

from __future__ import annotations

from collections.abc import Iterable

from klusterkit.pki import AuthorityName, Leaf, Usage, leaves
from klusterkit.pki.layout import CERTIFICATE_FOLDER, CERTIFICATES, KUBECONFIGS
from klusterkit.plans.files import etcd, kubelet
from klusterkit.plans.files.kubeadm import nobody
from klusterkit.plans.request import Target
from klusterkit.plans.shared import directory, open_tree, text_file
from klusterkit.tasks.authority import Authority, ServiceAccountKey
from klusterkit.tasks.certificates import Certificate, Kubeconfig
from klusterkit.tasks.files import SecretFile

ISSUING = 0.02
"""Seconds on the way to the host and back; issuing itself takes a fraction of a millisecond."""

_KUBERNETES, _FRONT_PROXY, _ETCD = AuthorityName.KUBERNETES, AuthorityName.FRONT_PROXY, AuthorityName.ETCD


def node_certificates(target: Target, preflight: str, kubelet_folder: str) -> list[str]:
    """For a kubelet: whom it trusts, how it is known to the API server, and how it proves itself as a server."""
    add = target.tasks.add
    top = add("kubernetes/folder", open_tree("/etc/kubernetes"), preflight)
    folder = add("pki/folder", directory(str(CERTIFICATE_FOLDER)), top)
    trusted = add("pki/ca", _trusted(target, _KUBERNETES), folder)
    issuing = [trusted] if target.request.own_authorities else []
    own = add("kubelet/pki", directory(kubelet.PKI, 0o700), kubelet_folder)
    serving = Leaf(
        common_name=f"system:node:{target.node}",
        organizations=(leaves.NODES,),
        dns_names=(target.node,),
        ip_addresses=(target.machine.address,),
        usages=(Usage.SERVER,),
    )
    step = _certificate(_KUBERNETES, serving, f"{kubelet.PKI}/kubelet")
    served = add("kubelet/certificate", step, own, *issuing, cost=ISSUING)
    server = target.local if target.machine.is_master else target.server
    known = _kubeconfig(target, "kubelet", leaves.kubelet(target.node), server, top, *issuing)
    return [trusted, served, known]


def etcd_certificates(target: Target, folder: str, *, joins: bool) -> list[str]:
    """For a member: towards clients, other members, and whoever asks for its health."""
    add, own = target.tasks.add, target.request.own_authorities
    pki = add("etcd/pki", directory(etcd.PKI, 0o700), folder)
    address = target.machine.address
    wanted = {
        "server": leaves.etcd_server(target.node, address, target.request.etcd.names),
        "peer": leaves.etcd_peer(target.node, address),
        "healthcheck-client": leaves.etcd_healthcheck_client(),
        # Where the authority is on the host, so is what a control plane beside it will be let in with.
        **({"apiserver-etcd-client": leaves.apiserver_etcd_client()} if own else {}),
    }
    if own:
        trusted = add(
            "etcd/pki/ca", Authority(common_name=_ETCD.common_name, base=f"{etcd.PKI}/ca", make=not joins), pki
        )
    else:
        trusted = add("etcd/pki/ca", _authority(_ETCD, f"{etcd.PKI}/ca.crt"), pki)
    before = trusted if own else pki
    issued = [
        add(f"etcd/pki/{name}", _certificate(_ETCD, leaf, f"{etcd.PKI}/{name}"), before, cost=ISSUING)
        for name, leaf in wanted.items()
    ]
    return [trusted, *issued]


def control_plane_certificates(target: Target, folder: str) -> list[str]:
    """For the control plane: all that kubeadm would make, but for the authorities' keys, which have their own place."""
    add = target.tasks.add
    below = add("pki/etcd", directory(f"{CERTIFICATE_FOLDER}/etcd"), folder)
    front_proxy = add("pki/front-proxy-ca", _trusted(target, _FRONT_PROXY), folder)
    etcd_authority = add("pki/etcd-ca", _authority(_ETCD, f"{CERTIFICATE_FOLDER}/etcd/ca.crt"), below)
    issuing = [_kubernetes_authority(target), front_proxy] if target.request.own_authorities else []
    signing = _service_account_key(target, folder)
    return [front_proxy, etcd_authority, *signing, *_leaves(target, folder, *issuing)]


def _service_account_key(target: Target, folder: str) -> list[str]:
    add, base = target.tasks.add, f"{CERTIFICATE_FOLDER}/sa"
    if target.request.own_authorities:
        return [add("pki/sa", ServiceAccountKey(base=base), folder)]
    return [
        add("pki/sa.key", _secret("sa.key", f"{base}.key", 0o600), folder),
        add("pki/sa.pub", _secret("sa.pub", f"{base}.pub", 0o644), folder),
    ]


def _leaves(target: Target, *needs: str) -> Iterable[str]:
    cluster = target.cluster
    endpoint = cluster.endpoint.host if cluster.endpoint else None
    wanted = {
        "apiserver": leaves.apiserver(
            target.node, target.machine.address, cluster.kubernetes_service_ip, cluster.dns_domain, endpoint
        ),
        "apiserver-kubelet-client": leaves.apiserver_kubelet_client(),
        "front-proxy-client": leaves.front_proxy_client(),
        "apiserver-etcd-client": leaves.apiserver_etcd_client(),
    }
    for name, leaf in wanted.items():
        place = CERTIFICATES[name]
        step = _certificate(place.authority, leaf, f"{CERTIFICATE_FOLDER}/{place.base}")
        yield target.tasks.add(f"pki/{name}", step, *needs, cost=ISSUING)


def kubeconfigs(target: Target, folder: str) -> list[str]:
    """For the control plane's parts and the administrator, all of whom ask the API server beside them.

    For the parts, and for the kubelet, kubeadm does so too (KEP-4471): while versions differ, another server might not
    know them. The administrator's is for work on this very host, which may be what brings the virtual address back.
    """
    own = target.request.own_authorities
    needs = (folder, *([_kubernetes_authority(target)] if own else []))
    parts = [
        _kubeconfig(target, "admin", leaves.admin(), target.local, *needs),
        _kubeconfig(target, "controller-manager", leaves.controller_manager(), target.local, *needs),
        _kubeconfig(target, "scheduler", leaves.scheduler(), target.local, *needs),
    ]
    if own:
        return parts
    empty = text_file(str(KUBECONFIGS["super-admin"]), nobody(target.server, target.cluster.name), 0o600)
    return [*parts, target.tasks.add("kubeconfig/super-admin", empty, folder)]


def _kubeconfig(target: Target, name: str, leaf: Leaf, server: str, *needs: str) -> str:
    step = Kubeconfig(
        authority=_KUBERNETES, leaf=leaf, server=server, path=str(KUBECONFIGS[name]), cluster=target.cluster.name
    )
    return target.tasks.add(f"kubeconfig/{name}", step, *needs, cost=ISSUING)


def _kubernetes_authority(target: Target) -> str:
    """The task that brings it."""
    return f"{target.machine.name}/pki/ca"


def _trusted(target: Target, name: AuthorityName) -> SecretFile | Authority:
    """An authority's certificate; where its key rests on the host, both, made if there are none."""
    base = f"{CERTIFICATE_FOLDER}/{name}"
    if target.request.own_authorities:
        return Authority(common_name=name.common_name, base=base)
    return _authority(name, f"{base}.crt")


def _authority(name: AuthorityName, path: str) -> SecretFile:
    return _secret(f"{name}.crt", path, 0o644)


def _secret(name: str, path: str, mode: int) -> SecretFile:
    return SecretFile(path=path, secret=name, mode=mode)


def _certificate(authority: AuthorityName, leaf: Leaf, base: str) -> Certificate:
    return Certificate(authority=authority, leaf=leaf, path_certificate=f"{base}.crt", path_key=f"{base}.key")
