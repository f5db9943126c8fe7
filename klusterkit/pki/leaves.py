"""What each certificate of a cluster says.

The source is kubeadm 1.36 and 1.37: ``phases/certs/certlist.go`` and ``util/pkiutil`` for certificates,
``phases/kubeconfig`` for the identities in kubeconfigs.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from klusterkit.pki.leaf import Address, Leaf, Usage

SERVER = (Usage.SERVER,)
CLIENT = (Usage.CLIENT,)
BOTH = (Usage.CLIENT, Usage.SERVER)

CLUSTER_ADMINS = "kubeadm:cluster-admins"
"""kubeadm's administrators: through an RBAC binding, which can be taken back."""
MASTERS = "system:masters"
"""Above RBAC: can't be taken back before the certificate expires."""
NODES = "system:nodes"

LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


def apiserver(
    node: str,
    advertise: Address,
    service: Address,
    dns_domain: str,
    endpoint: str | Address | None = None,
    extra: Iterable[str | Address] = (),
) -> Leaf:
    """The API server towards its clients.

    Args:
        node: name of the node that it runs on.
        advertise: the address that it announces.
        service: address of the Service ``kubernetes``: the first of the service network.
        dns_domain: of the cluster's services, such as ``cluster.local``.
        endpoint: host of the control plane endpoint, where it isn't `advertise`.
        extra: further names and addresses that clients use.

    Raises:
        InvalidLeaf: a name that is neither DNS name nor address.
    """
    within = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{dns_domain}")
    leaf = Leaf(
        common_name="kube-apiserver", dns_names=(node, *within), ip_addresses=(service, advertise), usages=SERVER
    )
    return leaf.also_for([*([] if endpoint is None else [endpoint]), *extra])


def apiserver_kubelet_client() -> Leaf:
    """The API server towards kubelets.

    It has no group: since kubeadm gave it a role of its own, what it may do comes from the ClusterRoleBinding
    ``kubeadm:apiserver-kubelet-client`` to this user, made by ``kubeadm init phase bootstrap-token``. Without that
    binding ``kubectl logs`` and ``exec`` are refused by the kubelet.
    """
    return _client("kube-apiserver-kubelet-client")


def front_proxy_client() -> Leaf:
    """The API server towards aggregated API servers."""
    return _client("front-proxy-client")


def etcd_server(node: str, advertise: Address, extra: Iterable[str | Address] = ()) -> Leaf:
    """An etcd member towards its clients.

    It is a client's certificate too: etcd's gRPC gateway uses it to reach its own member (etcd issue 9785).
    """
    return _etcd_member(node, advertise, extra)


def etcd_peer(node: str, advertise: Address, extra: Iterable[str | Address] = ()) -> Leaf:
    """An etcd member towards other members, of which each is now client, now server."""
    return _etcd_member(node, advertise, extra)


def etcd_healthcheck_client() -> Leaf:
    """Whoever asks etcd for its health, and KlusterKit's own work with etcdctl."""
    return _client("kube-etcd-healthcheck-client")


def apiserver_etcd_client() -> Leaf:
    """The API server towards etcd."""
    return _client("kube-apiserver-etcd-client")


def admin() -> Leaf:
    """The operator, by way of RBAC."""
    return _client("kubernetes-admin", CLUSTER_ADMINS)


def super_admin() -> Leaf:
    """The operator above RBAC: to make the first bindings, and when RBAC itself is broken."""
    return _client("kubernetes-super-admin", MASTERS)


def controller_manager() -> Leaf:
    """The controller manager towards the API server."""
    return _client("system:kube-controller-manager")


def scheduler() -> Leaf:
    """The scheduler towards the API server."""
    return _client("system:kube-scheduler")


def kubelet(node: str) -> Leaf:
    """A kubelet towards the API server.

    Raises:
        InvalidLeaf: a node name of more than 52 characters.
    """
    return _client(f"system:node:{node}", NODES)


def _client(common_name: str, *organizations: str) -> Leaf:
    return Leaf(common_name=common_name, organizations=organizations, usages=CLIENT)


def _etcd_member(node: str, advertise: Address, extra: Iterable[str | Address]) -> Leaf:
    leaf = Leaf(common_name=node, dns_names=(node, "localhost"), ip_addresses=(advertise, *LOOPBACK), usages=BOTH)
    return leaf.also_for(extra)
