"""Programs say their versions in words of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from klusterkit.engine.host import Completed
from klusterkit.hosts.simulated import SimulatedHost
from klusterkit.session import versions
from klusterkit.session.versions import PROGRAMS, look

SAID = {
    "kube-apiserver": '{"major": "1", "minor": "37", "gitVersion": "v1.37.2", "goVersion": "go1.26.0"}',
    "kubelet": "Kubernetes v1.37.2",
    "kubeadm": "v1.37.2",
    "kubectl": "Client Version: v1.37.2\nKustomize Version: v5.7.1",
    "etcd": "etcd Version: 3.6.16\nGit SHA: abc\nGo Version: go1.26.0",
    "containerd": "containerd github.com/containerd/containerd/v2 v2.3.7 abc",
    "runc": "runc version 1.5.2\ncommit: v1.5.2-0-gabc\nspec: 1.3.0",
    "cni-plugins": "CNI bridge plugin v1.9.1\nCNI protocol versions supported: 0.1.0, 1.1.0",
    "keepalived": "Keepalived v2.3.4 (06/10,2025)\nCopyright(C) 2001-2025",
}


def test_the_version_of_each_is_found_in_what_it_says() -> None:
    lines = "".join(f"{name}\t{text.replace(chr(10), ' ')}\n" for name, text in SAID.items())
    host = SimulatedHost("m1")
    host.program("sh", lambda *_: Completed(rc=0, out=lines.encode()))
    found = look(host)

    assert set(SAID) == set(PROGRAMS)
    assert found.pop("kernel")
    assert found.pop("system")
    assert found == {
        **dict.fromkeys(("kube-apiserver", "kubelet", "kubeadm", "kubectl"), "v1.37.2"),
        "etcd": "v3.6.16",
        "containerd": "v2.3.7",
        "runc": "v1.5.2",
        "cni-plugins": "v1.9.1",
        "keepalived": "v2.3.4",
    }


def test_what_is_not_there_is_left_out_and_what_fails_has_no_version(tmp_path: Path) -> None:
    (tmp_path / "well").write_text("#!/bin/sh\necho 'well 1.2.3\tand\nmore'\n")
    (tmp_path / "ill").write_text("#!/bin/sh\necho 'no answer from 10.0.0.5'; exit 1\n")
    for program in tmp_path.iterdir():
        program.chmod(0o755)
    asking = [versions.asking(name, str(tmp_path / name), "--version") for name in ("well", "ill", "absent")]
    done = subprocess.run(["sh", "-c", "".join(asking)], capture_output=True, text=True, check=True)
    host = SimulatedHost("m1")
    host.program("sh", lambda *_: Completed(rc=0, out=done.stdout.encode()))

    assert {name: look(host).get(name) for name in ("well", "ill", "absent")} == {
        "well": "v1.2.3",
        "ill": "?",
        "absent": None,
    }
