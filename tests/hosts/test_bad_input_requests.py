"""Requests that can't be met are refused before anything is changed on a host or in the state file."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from bad_input import Laptop, Site, other_laptop

pytestmark = pytest.mark.hosts

PODS, SERVICES = ("--pod-network", "10.66.0.0/16"), ("--service-network", "10.67.0.0/16")


@pytest.fixture
def beginner(site: Site, tmp_path: Path) -> Laptop:
    """An operator who has kept a credential and described no cluster yet."""
    return other_laptop(site, tmp_path / "laptop")


def test_pod_and_service_networks_that_overlap_are_refused(beginner: Laptop) -> None:
    networks = ("--pod-network", "10.64.0.0/14", "--service-network", "10.65.0.0/16")

    said = beginner.refused("create", "cluster", *networks, rc=3)

    assert "10.64.0.0/14 and 10.65.0.0/16 overlap" in said
    assert "pod network and service network" in said
    assert "choose networks that share no address" in said


@pytest.mark.parametrize("name", ["pod network", "service network"])
def test_a_network_that_holds_the_host_is_refused(beginner: Laptop, name: str) -> None:
    site = beginner.site
    prefix = 16 if name == "pod network" else 20
    network = str(ip_network(f"{site.address}/{prefix}", strict=False))
    holding = (f"--{name.replace(' ', '-')}", network)
    beginner("create", "cluster", *(SERVICES if name == "pod network" else PODS), *holding)

    said = beginner.refused(*beginner.create(), rc=3)

    assert f"the {name} {network} holds the host's address" in said
    assert f"host {site.address}" in said
    assert f"choose a {name}" in said


def test_a_version_that_kubernetes_never_had_is_refused(beginner: Laptop) -> None:
    said = beginner.refused("create", "cluster", "--kubernetes-version", "1.99.0", rc=3)

    assert "1.99" in said
    assert "1.36" in said


def test_a_version_that_no_artifact_has_is_refused(beginner: Laptop) -> None:
    beginner("create", "cluster", *PODS, *SERVICES, "--kubernetes-version", "1.36.99")

    said = beginner.refused(*beginner.create(), rc=3)

    assert "no artifact at" in said
    assert "v1.36.99" in said
    assert beginner.environment["KLUSTERKIT_MIRROR"] in said
    assert "choose a version that the mirror has" in said
    assert "--mirror" in said


@pytest.fixture
def own_mirror(operator: Laptop) -> Iterator[Path]:
    """A mirror that a test may damage: the files are the lab's own until they are replaced."""
    mirror = Path(operator.environment["KLUSTERKIT_MIRROR"])
    with tempfile.TemporaryDirectory(dir=mirror.parent.parent, prefix=f"test-{os.getpid()}-") as folder:
        copy = Path(folder) / "mirror"
        shutil.copytree(mirror, copy, copy_function=os.link)
        operator.environment |= {"KLUSTERKIT_MIRROR": str(copy), "KLUSTERKIT_CACHE": f"{folder}/cache"}
        yield copy


def damage(path: Path) -> None:
    """Change one byte in a copy of the file, and leave what else has its name alone."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)


def cut(path: Path) -> None:
    """As a copy that was interrupted leaves it."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 3])


@pytest.mark.parametrize("spoil", [damage, cut])
def test_an_artifact_that_is_not_what_its_checksum_says_is_refused(
    operator: Laptop, own_mirror: Path, spoil: Callable[[Path], None]
) -> None:
    file = min(own_mirror.glob("github.com/containernetworking/plugins/releases/download/*/*.tgz"))
    spoil(file)

    said = operator.refused(*operator.create(), rc=3)

    assert f"{file} is not what its checksum says" in said
    assert "its SHA-256 should be" in said
    assert "fetch the file again into the mirror" in said
    assert not any(
        str(file.stat().st_size) == str(kept.stat().st_size) for kept in own_mirror.glob("../cache/sha256/*")
    )


def test_a_mirror_without_a_checksum_is_refused(operator: Laptop, own_mirror: Path) -> None:
    file = min(own_mirror.glob("github.com/containernetworking/plugins/releases/download/*/*.tgz.sha256"))
    file.unlink()
    file.write_text("<html>Sign in to continue</html>\n")

    said = operator.refused(*operator.create(), rc=3)

    assert "no SHA-256 for" in said
    assert str(file) in said
    assert "mend the mirror" in said


def test_a_machine_of_no_address_is_refused(operator: Laptop) -> None:
    said = operator.refused("create", "machine", "--ip", "10.0.0.300", "--role", "master", "--yes", rc=3)

    assert "'10.0.0.300' is not an IP address" in said
    assert "such as 10.0.0.5" in said


def test_without_a_terminal_and_yes_nothing_is_done(operator: Laptop) -> None:
    arguments = [argument for argument in operator.create() if argument != "--yes"]

    said = operator.refused(*arguments, rc=3)

    assert "there is no terminal to ask on" in said
    assert "--yes" in said
