"""All that a mirror holds: for each item how it is built, and how it is downloaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kklab.artifacts import images, layout, official, releases
from kklab.artifacts import programs as go
from kklab.artifacts.component import Component
from kklab.artifacts.sites import Sites
from kklab.errors import LabError


@dataclass(frozen=True)
class Item:
    """One published component, from either origin: the same paths, if not the same bytes.

    Attributes:
        site: the official site that has it.
    """

    source: Component
    official: Component
    site: str

    @property
    def title(self) -> str:
        """How it is called in front of people."""
        return self.source.title


def items(minors: Iterable[str], sites: Sites) -> tuple[Item, ...]:
    """The items that the given Kubernetes minors need, shared ones first.

    Raises:
        LabError: a minor isn't known.
    """
    found = list(_shared(sites))
    for minor in minors:
        if minor not in go.MINORS:
            raise LabError(f"Kubernetes {minor} isn't known here", f"known: {', '.join(go.MINORS)}")
        found += _of_minor(go.MINORS[minor], sites)
    return tuple(found)


def _shared(sites: Sites) -> Iterator[Item]:
    yield _files(releases.containerd(), [layout.containerd(go.CONTAINERD)], sites)
    yield _files(releases.runc(), [layout.runc(go.RUNC)], sites)
    yield _files(releases.etcd(), [layout.etcd(go.ETCD)], sites)
    yield _files(releases.cni_plugins(), [layout.cni_plugins(go.CNI_PLUGINS)], sites)
    yield _files(releases.flannel_plugin(), [layout.flannel_plugin(go.FLANNEL_PLUGIN)], sites)
    yield _image(images.pause(), sites)
    yield _image(images.busybox(), sites)
    yield _image(images.keepalived(), sites)
    yield _image(images.flannel(go.FLANNEL_PROGRAMS.component()), sites)
    yield _image(images.flannel_plugin(go.FLANNEL_PLUGIN_PROGRAM.component()), sites)


def _of_minor(minor: go.Minor, sites: Sites) -> Iterator[Item]:
    built = go.kubernetes(minor.version).component()
    node_files = [layout.kubernetes(minor.version, program) for program in releases.NODE_PROGRAMS]
    yield _files(releases.kubernetes(minor.version, built), node_files, sites)
    for program in images.STATIC_PODS:
        yield _image(images.static_pod(minor.version, program, built), sites)
    yield _image(images.kube_proxy(minor.version, built), sites)
    yield _image(images.coredns(minor.coredns, go.coredns(minor.coredns_source).component()), sites)


def _files(source: Component, wanted: Sequence[layout.File], sites: Sites) -> Item:
    downloaded = official.files(source.name, source.version, wanted, sites)
    return Item(source, downloaded, wanted[0].path.split("/", 1)[0])


def _image(source: images.Image, sites: Sites) -> Item:
    component = source.component()
    downloaded = official.image(source.reference, component.name, component.version, sites)
    return Item(component, downloaded, source.reference.split("/", 1)[0])
