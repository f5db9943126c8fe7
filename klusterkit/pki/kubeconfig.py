"""Kubeconfigs: how a client finds an API server, trusts it and is known to it."""

from __future__ import annotations

from base64 import b64encode

import yaml


def kubeconfig(
    server: str,
    authority_cert: str,
    cert: str,
    key: str,
    cluster: str = "kubernetes",
    user: str = "kubernetes-admin",
    context: str | None = None,
) -> str:
    """A kubeconfig as YAML (``v1 Config`` of client-go). It holds a private key: it is secret as a whole.

    Args:
        server: address of the API server, such as ``https://10.0.0.5:6443``.
        authority_cert: certificate of the authority that issued the server's certificate, PEM.
        cert: the client's certificate, PEM.
        key: its private key, PEM.
        cluster: name of the cluster in the file.
        user: name of the client in the file.
        context: name of the pair; ``USER@CLUSTER`` as kubeadm names it if None.
    """
    context = context or f"{user}@{cluster}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": cluster, "cluster": {"certificate-authority-data": _data(authority_cert), "server": server}}
        ],
        "users": [{"name": user, "user": {"client-certificate-data": _data(cert), "client-key-data": _data(key)}}],
        "contexts": [{"name": context, "context": {"cluster": cluster, "user": user}}],
        "current-context": context,
    }
    return yaml.dump(config, Dumper=yaml.CSafeDumper, sort_keys=False, width=100_000)


def _data(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")
