"""A cluster that is as it should be, by all who can be asked: its pods, kubectl, etcdctl and ``cctl status``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.cluster.machines import Machines, role_of
from tests.cluster.written import until
from tests.support.operator import nodes_ready

ECHO = """\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: echo}
spec:
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      tolerations: [{operator: Exists}]
      terminationGracePeriodSeconds: 1
      containers:
      - name: echo
        image: docker.io/library/busybox:1.35
        command: [sh, -c, 'mkdir /www && echo "$NODE" > /www/node && exec httpd -f -p 8080 -h /www']
        env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec:
  selector: {app: echo}
  ports: [{port: 80, targetPort: 8080}]
"""
"""A pod on each node that tells where it runs, and a Service in front of them."""

ASK = """\
for attempt in $(seq 20); do
  timeout 3 wget -q -O - http://$(%s):%d/node && exit
  sleep 1
done
exit 1
"""
"""Asked again: kube-proxy may have to hear of what has only just come."""

BY_NAME = """\
timeout 3 nslookup echo.default.svc.cluster.local |
    sed -n '/^Name/,$ s/^Address[ 0-9]*: *\\([^ ]*\\).*/\\1/p' | head -n 1
"""
"""The name is looked up by itself: a wget that is linked statically crashes at that."""


def in_order(machines: Machines, *hosts: str) -> None:
    """These hosts, and no others, are the cluster; all of it works, and all who can be asked say the same."""
    masters = [host for host in hosts if role_of(host) == "master"]
    machines.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s")
    assert set(nodes_ready(machines)) == set(hosts)
    _pods_talk(machines, hosts)
    if len(hosts) > 1:
        until(lambda: len(_hosts_of_dns(machines)) > 1)  # no host that dies takes all of the cluster's names along
    _status_agrees(machines, hosts, masters)
    secrets = machines.kubectl("get", "secrets", "--namespace=kube-system", "-o", "name")
    assert "kubeadm-certs" not in secrets, "authorities never travel through the cluster"
    assert "bootstrap-token" not in secrets


def _pods_talk(machines: Machines, hosts: Sequence[str]) -> None:
    """Each pod reaches that of another host, and some pod by the Service's name."""
    (machines.operator.folder / "echo.yaml").write_text(ECHO)
    machines.kubectl("apply", "-f", str(machines.operator.folder / "echo.yaml"))
    machines.kubectl("rollout", "status", "daemonset/echo", "--timeout=120s")
    pods: dict[str, Any] = {}

    def one_on_each() -> bool:
        pods.clear()
        pods.update(_ready_pods(machines, "app=echo"))
        return set(pods) == set(hosts)

    until(one_on_each)
    for host, other in zip(hosts, (*hosts[1:], hosts[0]), strict=True):
        own = pods[host]["metadata"]["name"]
        across = ASK % (f"echo {pods[other]['status']['podIP']}", 8080)
        assert machines.kubectl("exec", own, "--", "sh", "-c", across).strip() == other
        assert machines.kubectl("exec", own, "--", "sh", "-c", ASK % (BY_NAME.strip(), 80)).strip() in hosts


def _ready_pods(machines: Machines, selector: str, *where: str) -> dict[str, Any]:
    """Pods that are ready, by their hosts."""
    listed = json.loads(machines.kubectl("get", "pods", "-l", selector, "-o", "json", *where))["items"]
    return {pod["spec"]["nodeName"]: pod for pod in listed if _ready(pod)}


def _ready(pod: Mapping[str, Any]) -> bool:
    """On a host that was switched off, a pod "runs" before it has an address again."""
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and "podIP" in pod["status"] and "deletionTimestamp" not in pod["metadata"]


def _hosts_of_dns(machines: Machines) -> set[str]:
    return set(_ready_pods(machines, "k8s-app=kube-dns", "--namespace=kube-system"))


def _status_agrees(machines: Machines, hosts: Sequence[str], masters: Sequence[str]) -> None:
    """``cctl status`` finds all well, and says of members what etcdctl does, on each master."""
    status = machines.well()
    ready = {each["machine"] for each in status["components"] if each["name"] == "node" and each["seen"] == "Ready"}
    assert ready == machines.known() == {machines.lab.address(host) for host in hosts}
    members = status["etcd"]["members"]
    assert {each["name"] for each in members if not each["learner"]} == set(masters)
    until(lambda: all(_members_agree(machines, master) for master in masters))  # another may lead from one to the next


def _members_agree(machines: Machines, master: str) -> bool:
    told = machines.status()["etcd"]["members"]
    said = {(each["name"], int(each["id"], 16), each["learner"], each["leader"]) for each in told}
    return said == {(each.name, each.id, each.learner, each.leads) for each in machines.members(master)}
