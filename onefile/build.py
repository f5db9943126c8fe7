"""Make the single file: ``python onefile/build.py [FOLDER]``, or ``make dist``.

``FOLDER`` (``dist`` by default) gets ``klusterkit-VERSION-linux-ARCHITECTURE``, its SHA-256 beside it, and links named
``cctl``, ``etcdadm`` and ``nodeadm``. The same sources, lock file and Python give the same bytes.

Hosts have no Python, so it comes along. Ways to pack it, ``etcdadm --help`` 21 times in turn on two busy processors:

======================================  ====  ==================  =================================================
way                                     MB    start, ms           remark
                                              median   quickest
======================================  ====  =======  =========  =================================================
PyInstaller, one file                   37    581      483        unpacks 78 MB at each start, and removes them
PyInstaller, one folder                 78    122      104
that folder behind a script (this)      25    126      104        0.7 s more the first time: it unpacks and checks
from a virtual environment              -     88       71         what there is to win
======================================  ====  =======  =========  =================================================

A pex with its own Python (``--scie eager``) downloads an interpreter that PyPI doesn't have, so it can't be made where
PyPI is all that is reached (tried: "urlopen error"). A zipapp or shiv needs a Python on the host. Nuitka would compile
every dependency, by a C compiler that whoever builds needn't have.

The program needs a C library no older than the one that it was built with: build on the oldest system that is to run
it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from klusterkit import __version__

HERE = Path(__file__).parent
TOOLS = ("cctl", "etcdadm", "nodeadm")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Names of the kernel, and those of Go and the download sites, which bundles use."""
LEVEL = 9
"""Of gzip. xz would save a fifth, but not every minimal system has it."""


def build(folder: Path) -> Path:
    """Make the file in a folder. Returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="klusterkit-") as work:
        packed = _packed(_folder(Path(work)))
    name = f"klusterkit-{__version__}-linux-{_architecture()}"
    made = folder / name
    _replace(made, _stub(hashlib.sha256(packed).hexdigest()) + packed, 0o755)
    _replace(folder / f"{name}.sha256", f"{hashlib.sha256(made.read_bytes()).hexdigest()}  {name}\n".encode(), 0o644)
    for tool in TOOLS:
        (folder / tool).unlink(missing_ok=True)
        (folder / tool).symlink_to(name)
    return made


def _architecture() -> str:
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


def _folder(work: Path) -> Path:
    """The program and all that it needs, by PyInstaller."""
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level=WARN", f"--distpath={work / 'dist'}"]
    command += [f"--workpath={work / 'build'}", str(HERE / "klusterkit.spec")]
    # Bytes must not depend on the moment, nor on how this Python happens to hash.
    settings = {"SOURCE_DATE_EPOCH": "1767225600", "PYTHONHASHSEED": "0", "PYINSTALLER_CONFIG_DIR": str(work / "cache")}
    subprocess.run(command, check=True, env={**os.environ, **settings})
    return work / "dist" / "klusterkit"


def _packed(folder: Path) -> bytes:
    """The folder's content as a gzipped tar that is the same for the same content."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            tar.add(path, str(path.relative_to(folder)), recursive=False, filter=_anonymous)
    return gzip.compress(archive.getvalue(), LEVEL, mtime=0)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = "root"
    return member


def _stub(digest: str) -> bytes:
    """The script in front. Where it ends is a number in it, as wide as its placeholder was."""
    text = (HERE / "stub.sh").read_text()
    values = {"@VERSION@": __version__, "@MACHINE@": platform.machine(), "@DIGEST@": digest}
    for name, value in values.items():
        text = text.replace(name, value)
    start = len(text.encode()) + 1
    return text.replace("@START@", f"{start:0{len('@START@')}d}").encode()


def _replace(path: Path, content: bytes, mode: int) -> None:
    partial = path.with_name(f"{path.name}.part")
    partial.write_bytes(content)
    partial.chmod(mode)
    partial.replace(path)


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist")))
