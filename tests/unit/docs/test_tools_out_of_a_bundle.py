"""What the page on life without the internet tells to type gives the tools out of a bundle, with stock programs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from klusterkit.bundle import ArtifactStore, Mirror
from klusterkit.bundle.building import Contents, OwnFile, build
from klusterkit.bundle.manifest import Kind
from klusterkit.session.supply.tools import tools_file
from tests.support.bundles import CREATED
from tests.support.onefile import tools

PAGE = Path(__file__).parents[3] / "docs" / "air-gapped.md"
STOCK = ("tar", "grep", "sed", "sha256sum", "chmod", "ln")
TOOLS = tools(b"a packed folder")


def recipe() -> str:
    """The block that the page has."""
    (found,) = [block for block in re.findall(r"^```\n(.*?)^```$", PAGE.read_text(), re.M | re.S) if "digest=" in block]
    return found


def followed(folder: Path, *own: OwnFile) -> subprocess.CompletedProcess[str]:
    """The recipe, followed beside a bundle with these files, on a machine that has nothing but stock programs."""
    contents = Contents(["v1.36.3"], "amd64", [], own)
    build(contents, Mirror("/nowhere"), ArtifactStore(folder / "cache"), folder / "k8s.bundle", created=CREATED)
    (folder / "bin").mkdir()
    for program in STOCK:
        (folder / "bin" / program).symlink_to(str(shutil.which(program)))
    shell = ["/bin/sh", "-c", recipe()]
    return subprocess.run(
        shell, cwd=folder, env={"PATH": str(folder / "bin")}, capture_output=True, text=True, check=False
    )


@pytest.fixture(name="own")
def _own(tmp_path: Path) -> list[OwnFile]:
    """The tools between other files."""
    (tmp_path / "onefile").write_bytes(TOOLS)
    units = (
        OwnFile(f"klusterkit/{folder}/units/a.service", Kind.UNIT, "a.service", "v1.36.3", folder.encode())
        for folder in ("0", "v1.36.3")
    )
    return [*units, tools_file(tmp_path / "onefile", "amd64")]


def test_the_recipe_gives_the_tools_under_their_three_names(tmp_path: Path, own: list[OwnFile]) -> None:
    done = followed(tmp_path, *own)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cctl").read_bytes() == TOOLS
    assert (tmp_path / "cctl").stat().st_mode & 0o111 == 0o111
    assert {(tmp_path / name).resolve() for name in ("etcdadm", "nodeadm")} == {(tmp_path / "cctl").resolve()}


def test_where_the_bundle_has_no_tools_it_gives_nothing_to_run(tmp_path: Path, own: list[OwnFile]) -> None:
    assert followed(tmp_path, *own[:2]).returncode != 0
    assert not (tmp_path / "etcdadm").exists()
