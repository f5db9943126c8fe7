"""Command lines of the tools that KlusterKit replaces, and what to type today where they don't mean the same any more.

``docs/from-the-originals.md`` is the same for reading; the tests try every line of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_NOT_YET = "that is not there yet"
_AUTHORITIES = "`cctl create cluster` makes the authorities; bringing your own is not there yet: leave the option out"
_SNAPSHOT = "On a master, `etcdctl.sh snapshot save FILE` saves what etcd holds"
_RECOVER = f"{_NOT_YET}; `etcdadm init --snapshot FILE` makes a new etcd of a snapshot, on a host that has none"
_JOIN = "`nodeadm join [USER@]MASTER`: the master is reached over SSH and vouches for the host; there are no tokens"
_LOGS = "--debug shows the log; each run's is beside the state file"

OLD_WORDS: Mapping[str, Mapping[str, str]] = {
    "cctl": {
        "help": "`cctl --help`, and --help after any command",
        "create secrets": "`cctl create cluster` makes them",
        "create cluster --apiserver-ca-cert": _AUTHORITIES,
        "create cluster --apiserver-ca-key": _AUTHORITIES,
        "create cluster --etcd-ca-cert": _AUTHORITIES,
        "create cluster --etcd-ca-key": _AUTHORITIES,
        "create cluster --front-proxy-ca-cert": _AUTHORITIES,
        "create cluster --front-proxy-ca-key": _AUTHORITIES,
        "create cluster --sa-private-key": _AUTHORITIES,
        "create cluster --sa-public-key": _AUTHORITIES,
        "create cluster --cluster-config": f"{_NOT_YET}; control planes are protected without it",
        "create cluster --file": "give the cluster's options: --pod-network, --service-network, --kubernetes-version",
        "create cluster -f": "give the cluster's options: --pod-network, --service-network, --kubernetes-version",
        "delete credential": "the credential goes with the state file; a cluster needs it as long as it lives",
        "delete cluster --force": "`cctl delete cluster --confirm NAME`; if hosts never come back, with --gone",
        "get --o": "-o yaml, with one dash",
        "get kubeconfig": "`cctl kubeconfig --out FILE`, or --merge",
        "upgrade machine": _NOT_YET,
        "upgrade cluster": _NOT_YET,
        "upgrade": _NOT_YET,
        "snapshot etcd": _SNAPSHOT,
        "snapshot": _SNAPSHOT,
        "recover etcd": _RECOVER,
        "recover": _RECOVER,
        "backup": f"copy the state file (its secrets are encrypted) and your identity. {_SNAPSHOT}",
        "restore": "copy the state file back; `etcdadm init --snapshot FILE` makes a new etcd of a snapshot",
        "migrate": "state files are migrated when they are read; those of the original can't be taken over",
        "bundle machine": "`cctl status -o yaml`, the state file's .log folder, and `journalctl` on the machine",
        "deploy addon": "`cctl deploy -f FILE`",
        "version --short": "`cctl version -o json`",
        "--log-level": _LOGS,
        "-l": _LOGS,
    },
    "nodeadm": {
        "help": "`nodeadm --help`, and --help after any command",
        "join --master": _JOIN,
        "join --token": _JOIN,
        "join --cahash": _JOIN,
    },
    "etcdadm": {
        "help": "`etcdadm --help`, and --help after any command",
        "certs renew": "`etcdadm init phase certificates` issues anew what is past two thirds of its life",
        "certs": "`etcdadm init phase certificates` issues anew what is past two thirds of its life",
        "init stop --phase": "leave it out: what runs is only stopped where it has to be",
        "join stop --phase": "leave it out: what runs is only stopped where it has to be",
        "init post-init-instructions --phase": "leave it out: `etcdadm init` tells them when it is done",
    },
}
"""For each tool the words of old command lines, in their order, with options that they have anywhere."""


def instead_of(tool: str, arguments: Sequence[str]) -> str | None:
    """What to do instead of an old command line; None for what is none. The line with the most words counts."""
    given = [argument.partition("=")[0] for argument in arguments]
    words = [word for word in given if not word.startswith("-")]
    found = [(line, instead) for line, instead in OLD_WORDS.get(tool, {}).items() if _is_in(line.split(), words, given)]
    return max(found, key=lambda each: len(each[0].split()), default=(None, None))[1]


def _is_in(line: Sequence[str], words: Sequence[str], given: Sequence[str]) -> bool:
    plain = [word for word in line if not word.startswith("-")]
    return list(words[: len(plain)]) == plain and all(word in given for word in line if word.startswith("-"))
