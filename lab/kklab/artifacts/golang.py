"""Building Go programs from their modules, each from a small module of our own that requires them.

`go install MODULE@VERSION` refuses modules with `replace` lines, which most of these have; a module that requires
them does not.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypedDict, cast

from kklab import command, places
from kklab.artifacts.component import Bench, Component
from kklab.errors import LabError

GO = (1, 26, 8)
"""The oldest Go that builds everything here (the go line of containerd's module)."""
MODULE_CACHE = "gomod"
BUILD_CACHE = "gobuild"


@dataclass(frozen=True)
class GoProgram:
    """Programs that come from one module at one version.

    Attributes:
        packages: package to build, by the name that the program gets.
        values: string variables set at link time, by their full name.
        replace: versions that take the place of those that the module names, by module.
        also: further modules to require, with their versions.
        static_c: link C code in, statically; otherwise no C at all.
        staging: the module is Kubernetes, which replaces its parts by folders that a module zip doesn't resolve.
    """

    name: str
    version: str
    module: str
    packages: dict[str, str]
    seconds: float
    values: dict[str, str] = field(default_factory=dict[str, str])
    tags: tuple[str, ...] = ()
    replace: dict[str, str] = field(default_factory=dict[str, str])
    also: dict[str, str] = field(default_factory=dict[str, str])
    static_c: bool = False
    staging: bool = False

    def component(self) -> Component:
        """The component whose files are the programs."""
        recipe = {key: value for key, value in asdict(self).items() if key != "seconds"}
        return Component(
            name=self.name,
            version=self.version,
            recipe={"go": recipe},
            seconds=self.seconds,
            make=lambda bench, out: _build(self, bench, out),
            published=False,
        )


class GoModFile(TypedDict, total=False):
    """The part of `go mod edit -json` that is read here."""

    Go: str
    Godebug: list[dict[str, str]] | None
    Replace: list[dict[str, dict[str, str]]] | None


def toolchain() -> Path:
    """A Go command that is new enough: the machine's own, or one fetched as a module by an older one.

    Raises:
        LabError: the machine has no Go at all.
    """
    found = [name for name in (shutil.which("go"), "/usr/local/go/bin/go") if name and Path(name).exists()]
    for name in found:
        if _version_of(Path(name)) >= GO:
            return Path(name)
    if not found:
        raise LabError("no Go on this machine", "run `lab/lab setup`")
    return _fetched_toolchain(Path(found[0]))


def environment(go: Path) -> dict[str, str]:
    """The environment of a build: caches of its own, never the user's."""
    scratch = places.build()
    flags = os.environ.get("GOFLAGS", "")
    return os.environ | {
        "GOPATH": str(scratch / "gopath"),
        "GOMODCACHE": str(scratch / MODULE_CACHE),
        "GOCACHE": str(scratch / BUILD_CACHE),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": f"{flags} -modcacherw -buildvcs=false".strip(),
        "PATH": f"{go.parent}:{os.environ.get('PATH', os.defpath)}",
    }


def _version_of(go: Path) -> tuple[int, ...]:
    said = command.run([go, "env", "GOVERSION"], env=os.environ | {"GOTOOLCHAIN": "local"}, check=False)
    return tuple(int(number) for number in re.findall(r"\d+", said)[:3])


def _fetched_toolchain(older: Path) -> Path:
    version = "v0.0.1-go" + ".".join(map(str, GO)) + ".linux-amd64"
    places.build().mkdir(parents=True, exist_ok=True)
    download = [older, "mod", "download", "-json", f"golang.org/toolchain@{version}"]
    # Anywhere but in a module: the older Go would read that one's go.mod.
    answer = command.run(download, cwd=places.build(), env=environment(older))
    root = Path(cast(dict[str, str], json.loads(answer))["Dir"])
    # A module zip carries no modes.
    for folder in (root / "bin", root / "pkg" / "tool"):
        for path in folder.rglob("*"):
            path.chmod(0o755)
    return root / "bin" / "go"


def _build(program: GoProgram, bench: Bench, out: Path) -> None:
    go = bench.go()
    env = environment(go) | {"CGO_ENABLED": "1" if program.static_c else "0"}
    work = bench.scratch
    (work / "go.mod").write_text(_go_mod(program, go, env))
    imports = "".join(f'import _ "{package}"\n' for package in program.packages.values())
    (work / "tools.go").write_text(f"//go:build tools\n\npackage tools\n\n{imports}")
    # -e: it looks at every platform's files, and some import what this one never needs. The build is the judge.
    command.run([go, "mod", "tidy", "-e"], cwd=work, env=env, log=bench.log)
    flags = ["-trimpath", "-ldflags", _link_flags(program), "-tags", ",".join(program.tags)]
    # The trailing slash makes `go build` take it as a folder, for one package as well as for many.
    argv = [go, "build", *flags, "-o", f"{out}/", *program.packages.values()]
    command.run(argv, cwd=work, env=env, log=bench.log)
    for name, package in program.packages.items():
        (out / executable_name(package)).rename(out / name)


def executable_name(package: str) -> str:
    """What `go build` calls the program of a package: its last element that isn't a major version."""
    elements = package.split("/")
    return elements[-2] if re.fullmatch(r"v\d+", elements[-1]) else elements[-1]


def _link_flags(program: GoProgram) -> str:
    flags = ["-s", "-w", *(f"-X {name}={value}" for name, value in sorted(program.values.items()))]
    if program.static_c:
        flags.append("-extldflags -static")
    return " ".join(flags)


def _go_mod(program: GoProgram, go: Path, env: dict[str, str]) -> str:
    theirs = _their_go_mod(program, go, env)
    lines = ["module lab.invalid/build", f"go {theirs.get('Go', '1.24')}"]
    lines += [f"godebug {item['Key']}={item['Value']}" for item in theirs.get("Godebug") or []]
    lines += [f"require {module} {version}" for module, version in _requirements(program).items()]
    lines += [f"replace {module} => {module} {version}" for module, version in program.replace.items()]
    if program.staging:
        part = program.version.replace("v1.", "v0.", 1)
        lines += [f"replace {module} => {module} {part}" for module in _staged(theirs)]
    return "\n".join(lines) + "\n"


def _requirements(program: GoProgram) -> dict[str, str]:
    return {program.module: program.version, **program.also}


def _staged(theirs: GoModFile) -> list[str]:
    return [item["Old"]["Path"] for item in theirs.get("Replace") or [] if item["New"]["Path"].startswith("./staging/")]


def _their_go_mod(program: GoProgram, go: Path, env: dict[str, str]) -> GoModFile:
    answer = command.run(
        [go, "mod", "download", "-json", f"{program.module}@{program.version}"], cwd=places.build(), env=env
    )
    path = cast(dict[str, str], json.loads(answer))["GoMod"]
    return cast(GoModFile, json.loads(command.run([go, "mod", "edit", "-json", path], env=env)))
