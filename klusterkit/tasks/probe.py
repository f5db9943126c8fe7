"""The last proof: a pod on a node reaches another through a Service, by its name."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, ClassVar

import yaml

from klusterkit.cluster.names import LABEL_LIMIT
from klusterkit.engine.errors import NotYet
from klusterkit.engine.step import Before, Context, Observation, Step, Undo
from klusterkit.tasks import kubectl

NAMESPACE = "kube-system"
"""Not one of its own: taking a namespace away takes seconds, even an empty one."""
PROVED = "klusterkit.io/service-reached"
PORT = 8080

_PREFIX, _CLIENTS, _DIGITS = "klusterkit-probe-", "-client", 10
_READABLE = LABEL_LIMIT - len(_PREFIX) - len("-") - _DIGITS - len(_CLIENTS)

# The name is looked up by itself, and times are limited from outside: a wget that is linked statically crashes at
# either, and nslookup waits five seconds for an answer that a server which is only just starting never gives.
_SERVER = """\
mkdir -p /tmp/www && echo reached > /tmp/www/index.html || exit 1
trap 'exit 0' TERM
httpd -f -p %d -h /tmp/www &
wait
"""
_CLIENT = """\
until
  at=$(timeout 1 nslookup %s | sed -n '/^Name/,$ s/^Address[ 0-9]*: *\\([^ ]*\\).*/\\1/p' | head -n 1)
  case $at in *:*) at="[$at]" ;; esac
  timeout 2 wget -q -O - "http://$at:%d/index.html" | grep -q reached
do
  sleep 0.2
done
"""


def name_on(node: str) -> str:
    """Of a node's probe: its Service and its server; the client has ``-client`` behind it.

    All are DNS labels. What makes two nodes' names differ may be cut off or lost with the dots, so that digits of the
    whole name's SHA-256 stand at the end: probes of several nodes run at once, and each removes what has its name.
    """
    readable = node.replace(".", "-")[:_READABLE].rstrip("-")
    return f"{_PREFIX}{readable}-{sha256(node.encode()).hexdigest()[:_DIGITS]}"


def selector(node: str) -> str:
    """Selects all that a node's probe consists of."""
    return f"--selector=klusterkit.io/probe={name_on(node)}"


class ServiceProbe(Step):
    """Start a pod that serves and a pod that asks it through a Service by name, both on ``node``; then remove all.

    That takes the scheduler, the kubelet, images, the pod network, kube-proxy and cluster DNS. The node is annotated
    with the success, so that it isn't proved again at every look.
    """

    kind: ClassVar[str] = "gate.service"
    undoing: ClassVar[Undo] = Undo.CONTAINED

    node: str
    image: str
    dns_domain: str

    @property
    def title(self) -> str:
        """What is proved."""
        return f"prove that a pod on {self.node} reaches a Service by name"

    @property
    def name(self) -> str:
        """Of the Service and the server."""
        return name_on(self.node)

    def observe(self, on: Context) -> Observation:
        """Whether it was proved."""
        where = f"--output=jsonpath={{.metadata.annotations['{PROVED.replace('.', chr(92) + '.')}']}}"
        ended = kubectl.ask(on, "get", f"node/{self.node}", where)
        proved = ended.ok and ended.text == "true"
        return Observation(satisfied=proved, reason="" if proved else "not proved yet")

    def apply(self, on: Context, before: Before) -> None:
        """Prove it, and leave nothing but the annotation."""
        _ = before
        self._start(on)
        try:
            self._await_client(on)
        finally:
            self._remove(on)
        kubectl.change(on, "annotate", f"node/{self.node}", f"{PROVED}=true", "--overwrite")

    def verify(self, on: Context) -> None:
        """Nothing to add: it ended by having seen it."""

    def _start(self, on: Context) -> None:
        # Not applied: that would be content with an earlier attempt's pods that are on their way out, and wait in vain.
        # Those of an earlier version can't be changed into these, either.
        create = ("create", "--filename=-")
        if not kubectl.ask(on, *create, stdin=self.manifest().encode()).ok:
            self._remove(on)
            kubectl.change(on, *create, stdin=self.manifest().encode())

    def _await_client(self, on: Context) -> None:
        seconds = max(1, int(on.timeout) - 15)
        ended = on.host.job(
            on.key,
            kubectl.command(
                *("wait", f"pod/{self.name}{_CLIENTS}", f"--namespace={NAMESPACE}"),
                *("--for=jsonpath={.status.phase}=Succeeded", f"--timeout={seconds}s"),
            ),
            timeout=on.timeout,
        )
        if not ended.ok:
            raise NotYet(
                f"{self.title}: not within {seconds} s",
                host=on.host.name,
                seen=self._state(on) or ended.said,
                hint="look at the pods of kube-system: flannel, kube-proxy and coredns",
            )

    def _state(self, on: Context) -> str:
        wide = kubectl.ask(on, "get", "pods", f"--namespace={NAMESPACE}", "--output=wide", "--no-headers")
        says = kubectl.ask(on, "logs", f"pod/{self.name}{_CLIENTS}", f"--namespace={NAMESPACE}", "--tail=3")
        return "\n".join(part for part in (wide.text, says.said) if part)

    def _remove(self, on: Context) -> None:
        kubectl.change(on, "delete", "pods,services", selector(self.node), f"--namespace={NAMESPACE}", "--wait=true")

    def manifest(self) -> str:
        """The two pods and the Service."""
        name = f"{self.name}.{NAMESPACE}.svc.{self.dns_domain}"
        service = {
            **_head("v1", "Service", self.name, self.name),
            "spec": {"selector": {"klusterkit.io/probe-server": self.name}, "ports": [{"port": PORT}]},
        }
        server = self._pod(self.name, _SERVER % PORT)
        server["metadata"]["labels"]["klusterkit.io/probe-server"] = self.name
        return yaml.safe_dump_all(
            [service, server, self._pod(f"{self.name}{_CLIENTS}", _CLIENT % (name, PORT))], sort_keys=False
        )

    def _pod(self, name: str, script: str) -> dict[str, Any]:
        container = {
            "name": "probe",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", script],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        }
        return {
            **_head("v1", "Pod", name, self.name),
            "spec": {
                # By affinity and not by nodeName: the scheduler is a part of what is proved.
                "affinity": {"nodeAffinity": _only(self.node)},
                "tolerations": [{"operator": "Exists"}],
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 1,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "containers": [container],
            },
        }


def _head(version: str, kind: str, name: str, probe: str) -> dict[str, Any]:
    labels = {"klusterkit.io/probe": probe}
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
    }


def _only(node: str) -> dict[str, Any]:
    fields = [{"key": "metadata.name", "operator": "In", "values": [node]}]
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": fields}]}}
