"""Two programs that don't come from Go modules: pause, and busybox."""

from __future__ import annotations

from pathlib import Path

from kklab import command
from kklab.artifacts.component import Bench, Component
from kklab.artifacts.programs import PAUSE
from kklab.errors import LabError

# It must answer `pause -v`: `kubeadm upgrade` runs a Job that does just that.
PAUSE_SOURCE = f"""\
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void stop(int signal) {{ (void)signal; _exit(0); }}
static void reap(int signal) {{ (void)signal; while (waitpid(-1, NULL, WNOHANG) > 0) {{}} }}

int main(int argc, char **argv) {{
    if (argc > 1 && strcmp(argv[1], "-v") == 0) {{
        puts("pause.c {PAUSE}");
        return 0;
    }}
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    signal(SIGCHLD, reap);
    for (;;) pause();
}}
"""
BUSYBOX = "1.35"
"""The release that Debian bookworm has; another suite's goes by the same tag."""


def _make_pause(bench: Bench, out: Path) -> None:
    source = bench.scratch / "pause.c"
    source.write_text(PAUSE_SOURCE)
    command.run(["gcc", "-static", "-Os", "-s", "-o", out / "pause", source], log=bench.log)


def _make_busybox(bench: Bench, out: Path) -> None:
    for old in bench.scratch.glob("*.deb"):
        old.unlink()
    command.run(["apt-get", "download", "busybox-static"], cwd=bench.scratch, log=bench.log)
    package = next(bench.scratch.glob("*.deb"), None)
    if package is None:
        raise LabError("apt-get downloaded no busybox-static", f"see {bench.log}")
    unpacked = bench.scratch / "package"
    command.run(["dpkg-deb", "-x", package, unpacked], log=bench.log)
    program = next(path for path in (unpacked / "bin/busybox", unpacked / "usr/bin/busybox") if path.exists())
    program.rename(out / "busybox")


PAUSE_PROGRAM = Component(
    name="pause-program",
    version=PAUSE,
    recipe={"source": PAUSE_SOURCE},
    seconds=1,
    make=_make_pause,
    published=False,
)
BUSYBOX_PROGRAM = Component(
    name="busybox-program",
    version=BUSYBOX,
    recipe={"apt": "busybox-static"},
    seconds=3,
    make=_make_busybox,
    published=False,
)
