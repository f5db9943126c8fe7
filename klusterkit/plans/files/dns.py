"""Cluster DNS: kubeadm's CoreDNS with a Corefile of our own, which kubeadm keeps when it is there before."""

from __future__ import annotations

from functools import lru_cache

from klusterkit.engine.yamltext import document

_FORWARD = """\
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
"""


@lru_cache(maxsize=16)
def configuration(dns_domain: str, *, forward: bool) -> str:
    """The ConfigMap.

    Args:
        dns_domain: the cluster's own.
        forward: whether other names are asked for at the host's name servers. On a host that has none CoreDNS stops
            at ``forward``, and the cluster has no DNS at all.
    """
    corefile = f"""\
.:53 {{
    errors
    health {{
       lameduck 5s
    }}
    ready
    kubernetes {dns_domain} in-addr.arpa ip6.arpa {{
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }}
    prometheus :9153
{_FORWARD if forward else ""}    cache 30 {{
       disable success {dns_domain}
       disable denial {dns_domain}
    }}
    loop
    reload
    loadbalance
}}
"""
    head = {"name": "coredns", "namespace": "kube-system"}
    return document({"apiVersion": "v1", "kind": "ConfigMap", "metadata": head, "data": {"Corefile": corefile}})
