"""Release files made of built programs: the programs themselves, and tar files laid out as the official ones."""

from __future__ import annotations

import gzip
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

from kklab.artifacts import layout
from kklab.artifacts import programs as go
from kklab.artifacts.component import Bench, Component

NODE_PROGRAMS = ("kubeadm", "kubelet", "kubectl")


def kubernetes(version: str, built: Component) -> Component:
    """kubeadm, kubelet and kubectl."""
    names = {layout.kubernetes(version, program): program for program in NODE_PROGRAMS}
    return _of_programs("kubernetes", version, built, names)


def runc() -> Component:
    """runc, static."""
    return _of_programs("runc", go.RUNC, go.RUNC_PROGRAM.component(), {layout.runc(go.RUNC): "runc"})


def etcd() -> Component:
    """etcd, etcdctl and etcdutl."""
    names = {f"etcd-{go.ETCD}-linux-amd64/{name}": name for name in go.ETCD_PROGRAMS.packages}
    return _of_tar("etcd", layout.etcd(go.ETCD), go.ETCD, go.ETCD_PROGRAMS.component(), names)


def containerd() -> Component:
    """containerd, ctr and the runc shim."""
    names = {f"bin/{name}": name for name in go.CONTAINERD_PROGRAMS.packages}
    built = go.CONTAINERD_PROGRAMS.component()
    return _of_tar("containerd", layout.containerd(go.CONTAINERD), go.CONTAINERD, built, names)


def cni_plugins() -> Component:
    """The CNI project's own plugins."""
    names = {f"./{name}": name for name in go.CNI_PROGRAMS.packages}
    built = go.CNI_PROGRAMS.component()
    return _of_tar("cni-plugins", layout.cni_plugins(go.CNI_PLUGINS), go.CNI_PLUGINS, built, names)


def flannel_plugin() -> Component:
    """flannel's CNI plugin."""
    file = layout.flannel_plugin(go.FLANNEL_PLUGIN)
    built = go.FLANNEL_PLUGIN_PROGRAM.component()
    return _of_tar("flannel-cni-plugin", file, go.FLANNEL_PLUGIN, built, {"flannel-amd64": "flannel"})


def _of_programs(name: str, version: str, built: Component, names: Mapping[layout.File, str]) -> Component:
    def make(bench: Bench, out: Path) -> None:
        for file, program in names.items():
            path = out / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bench.made(built) / program, path)
            path.chmod(0o755)
            layout.write_checksum(out, file)

    recipe = {"programs": {file.path: program for file, program in names.items()}}
    return Component(name, version, recipe, seconds=2, make=make, needs=(built,))


def _of_tar(name: str, file: layout.File, version: str, built: Component, names: Mapping[str, str]) -> Component:
    def make(bench: Bench, out: Path) -> None:
        path = out / file.path
        path.parent.mkdir(parents=True)
        _write_tar(path, {inside: bench.made(built) / program for inside, program in names.items()})
        layout.write_checksum(out, file)

    return Component(name, version, {"tar": {file.path: names}}, seconds=5, make=make, needs=(built,))


def _write_tar(path: Path, names: Mapping[str, Path]) -> None:
    """Write a tar file of programs, by their names in it; the same programs give the same bytes."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for inside, source in names.items():
            info = tarfile.TarInfo(inside)
            info.mode, info.size = 0o755, source.stat().st_size
            with source.open("rb") as stream:
                tar.addfile(info, stream)
