"""What a lane's shell is told first: its settings and KlusterKit's functions, from the files in ``shell/``."""

from __future__ import annotations

from functools import cache
from importlib import resources

from klusterkit.engine.host import HOME
from klusterkit.hosts.quoting import word

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@cache
def shell(name: str) -> bytes:
    """A file of ``shell/`` without its comments."""
    text = resources.files("klusterkit.hosts").joinpath("shell", name).read_text()
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#")).encode() + b"\n"


@cache
def prelude(home: str = HOME) -> bytes:
    """All that scripts of this package rely on."""
    settings = f"umask 077; LC_ALL=C; PATH={PATH}; export LC_ALL PATH; unset ENV CDPATH; cd /; KK_HOME={home}\n"
    jobs = shell("jobs.sh")
    # The watcher of a job is a process of its own, and needs one function of the lane's.
    process = jobs[jobs.index(b"kk_process() {") : jobs.index(b"kk_alive() {")]
    watcher = b"kk_job=" + word(process + shell("job.sh")) + b"\n"
    return settings.encode() + shell("files.sh") + jobs + watcher + shell("lease.sh")
