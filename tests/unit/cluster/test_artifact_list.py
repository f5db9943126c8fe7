"""A host gets what its roles need, from the paths of the official sites, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.cluster import CNI, RELEASES, Architecture, ArtifactKind, InvalidCluster, Role, Version, artifacts_for

V = Version(1, 36, 3)
MASTER = {artifact.name: artifact for artifact in artifacts_for([Role.MASTER], V, CNI())}
NODE = {artifact.name: artifact for artifact in artifacts_for([Role.NODE], V, CNI())}


def test_paths_and_checksums_are_where_the_sites_have_them() -> None:
    github = "github.com"
    assert {name: (item.url_path, item.checksum_path) for name, item in MASTER.items() if item.kind != "image"} == {
        name: (path, checksum)
        for name, path, checksum in [
            *(
                (
                    program,
                    f"dl.k8s.io/release/v1.36.3/bin/linux/amd64/{program}",
                    f"dl.k8s.io/release/v1.36.3/bin/linux/amd64/{program}.sha256",
                )
                for program in ("kubeadm", "kubelet", "kubectl")
            ),
            (
                "etcd",
                f"{github}/etcd-io/etcd/releases/download/v3.6.16/etcd-v3.6.16-linux-amd64.tar.gz",
                f"{github}/etcd-io/etcd/releases/download/v3.6.16/SHA256SUMS",
            ),
            (
                "containerd",
                f"{github}/containerd/containerd/releases/download/v2.3.7/containerd-2.3.7-linux-amd64.tar.gz",
                f"{github}/containerd/containerd/releases/download/v2.3.7/containerd-2.3.7-linux-amd64.tar.gz.sha256sum",
            ),
            (
                "runc",
                f"{github}/opencontainers/runc/releases/download/v1.5.2/runc.amd64",
                f"{github}/opencontainers/runc/releases/download/v1.5.2/runc.sha256sum",
            ),
            (
                "cni-plugins",
                f"{github}/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz",
                f"{github}/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz.sha256",
            ),
        ]
    }


def test_an_image_is_an_archive_named_by_its_reference() -> None:
    image = MASTER["registry.k8s.io/coredns/coredns:v1.14.2"]
    assert image.url_path == "images/registry.k8s.io/coredns/coredns/v1.14.2.tar"
    assert image.checksum_path == "images/registry.k8s.io/coredns/coredns/v1.14.2.tar.sha256"
    assert image.filename == "v1.14.2.tar"


def test_a_master_has_all_images_that_kubeadm_lists_but_etcds() -> None:
    """``kubeadm config images list`` of both releases, and flannel's two."""
    for version, coredns in (("1.36.3", "v1.14.2"), ("1.37.2", "v1.14.6")):
        artifacts = artifacts_for([Role.MASTER], Version.parse(version), CNI())
        assert {artifact.name for artifact in artifacts if artifact.kind == "image"} == {
            f"registry.k8s.io/kube-apiserver:v{version}",
            f"registry.k8s.io/kube-controller-manager:v{version}",
            f"registry.k8s.io/kube-scheduler:v{version}",
            f"registry.k8s.io/kube-proxy:v{version}",
            f"registry.k8s.io/coredns/coredns:{coredns}",
            "registry.k8s.io/pause:3.10.2",
            "ghcr.io/flannel-io/flannel:v0.28.10",
            "ghcr.io/flannel-io/flannel-cni-plugin:v1.9.1-flannel3",
        }


def test_a_worker_has_nothing_of_the_control_plane() -> None:
    assert set(MASTER) - set(NODE) == {
        "kubectl",
        "etcd",
        "registry.k8s.io/kube-apiserver:v1.36.3",
        "registry.k8s.io/kube-controller-manager:v1.36.3",
        "registry.k8s.io/kube-scheduler:v1.36.3",
    }
    assert set(NODE) < set(MASTER)


def test_only_masters_that_share_an_address_have_keepalived() -> None:
    for role, others in ((Role.MASTER, MASTER), (Role.NODE, NODE)):
        found = {artifact.name for artifact in artifacts_for([role], V, CNI(), vip=True)} - set(others)
        assert found == ({"docker.io/osixia/keepalived:2.0.20"} if role is Role.MASTER else set())


def test_a_worker_can_take_over_coredns_from_a_drained_master() -> None:
    assert "registry.k8s.io/coredns/coredns:v1.14.2" in NODE


def test_a_host_of_both_roles_has_what_a_master_has() -> None:
    assert artifacts_for([Role.NODE, Role.MASTER], V, CNI()) == tuple(MASTER.values())


@pytest.mark.parametrize("cni", [CNI(kind="none"), CNI.manifest("apiVersion: v1\nkind: A\n")])
def test_flannel_is_there_only_where_it_is_the_cni(cni: CNI) -> None:
    without = {artifact.name for artifact in artifacts_for([Role.NODE], V, cni)}
    assert set(NODE) - without == {
        "ghcr.io/flannel-io/flannel:v0.28.10",
        "ghcr.io/flannel-io/flannel-cni-plugin:v1.9.1-flannel3",
    }


@given(
    st.sets(st.sampled_from(list(Role)), min_size=1),
    st.sampled_from(RELEASES),
    st.integers(0, 30),
    st.sampled_from(list(Architecture)),
)
def test_every_artifact_has_one_path_of_its_own(
    roles: set[Role], release: object, patch: int, architecture: Architecture
) -> None:
    version = Version.parse(f"{release.minor}.{patch}")
    artifacts = artifacts_for(roles, version, CNI(), architecture)
    assert len({artifact.url_path for artifact in artifacts}) == len(artifacts)
    for artifact in artifacts:
        assert not artifact.url_path.startswith("/")
        assert artifact.version in artifact.url_path
        assert artifact.checksum_path.rpartition("/")[0] == artifact.url_path.rpartition("/")[0]
        assert artifact.kind is ArtifactKind.IMAGE or architecture in artifact.url_path


def test_an_architecture_without_artifacts_is_refused() -> None:
    assert Architecture.parse("arm64") is Architecture.ARM64
    with pytest.raises(InvalidCluster, match="no artifacts for 'riscv64'") as caught:
        Architecture.parse("riscv64")
    assert caught.value.hint == "known: amd64, arm64"
