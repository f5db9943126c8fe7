"""What runs on the reference cluster changes."""

from __future__ import annotations

from klusterkit.engine.plan import Plan
from klusterkit.plans.deploy import DeployRequest, compile_deploy
from klusterkit.plans.reference.inputs import LINEAGE, MASTERS, WORKERS, facts_of
from klusterkit.plans.relabel import RelabelRequest, compile_relabel
from klusterkit.tasks.deploying import Deploy


def apply_objects() -> Plan:
    """``apply -f`` of a file in which a worker has other labels and a taint."""
    worker = WORKERS[0].replace(labels={"disk": "hdd", "rack": "7"})
    taint = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
    master = MASTERS[0]
    return compile_relabel(
        RelabelRequest(
            changed=((worker, worker.replace(labels={"disk": "ssd"}, taints=[taint])),),
            asked_on=master.name,
            facts={machine.name: facts_of(machine) for machine in (master, worker)},
            lineage=LINEAGE,
            serial=4,
        )
    )


_NAMED = {"name": "server", "namespace": "web", "labels": {"app": "server"}}
_POD = {
    "metadata": {"labels": {"app": "server"}},
    "spec": {"containers": [{"name": "server", "image": "docker.io/library/busybox:1.35", "command": ["httpd", "-f"]}]},
}
DEPLOYED = (
    Deploy(manifest={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}}),
    Deploy(manifest={"apiVersion": "v1", "kind": "ConfigMap", "metadata": _NAMED, "data": {"greeting": "hello"}}),
    Deploy(manifest={"apiVersion": "v1", "kind": "Secret", "metadata": _NAMED}, secrets={"password": "run/1"}),
    Deploy(
        manifest={
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _NAMED,
            "spec": {"selector": {"app": "server"}, "ports": [{"port": 80}]},
        }
    ),
    Deploy(
        manifest={
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": _NAMED,
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "server"}}, "template": _POD},
        }
    ),
)
"""A server in a namespace of its own, with its configuration and a password."""


def deploy() -> Plan:
    """``deploy -f web.yaml``: objects of the operator's own."""
    master = MASTERS[0]
    return compile_deploy(
        DeployRequest(
            operation="deploy web.yaml",
            objects=DEPLOYED,
            waited=(DEPLOYED[-1].target,),
            asked_on=master.name,
            facts=facts_of(master),
            lineage=LINEAGE,
            serial=4,
        )
    )
