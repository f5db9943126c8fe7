"""Functions of a lane do the same on a host that lacks what they can do without."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from klusterkit.hosts.prelude import prelude
from klusterkit.hosts.quoting import words

OPTIONAL = ("perl", "openssl")


@pytest.fixture(params=["all", "least"])
def run(request, tmp_path):
    """Runs a script with all programs of this machine, or without those that are optional."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("mv", "sha256sum", "stat", "head", "cat", "chmod", "chown", "mkdir", "rm", "rmdir", "sync", *OPTIONAL):
        if (path := shutil.which(name)) and (request.param == "all" or name not in OPTIONAL):
            (programs / name).symlink_to(path)

    def run(script):
        text = prelude() + b"PATH=" + str(programs).encode() + b"\n" + script + b"\n"
        return subprocess.run(["/bin/sh"], input=text, capture_output=True)

    return run


def test_many_files_are_renamed_each_into_its_folder(run, tmp_path):
    pairs = []
    for name in ("a", "b b", "c'c", "d\nd"):
        new = tmp_path / name / ".new"
        new.mkdir(parents=True)
        (new / name).write_text(name)
        pairs += [str(new / name), str(tmp_path / name)]
    ended = run(b"kk_rename " + words(pairs))
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert [Path(folder, Path(new).name).read_text() for new, folder in zip(pairs[::2], pairs[1::2], strict=True)] == [
        Path(new).name for new in pairs[::2]
    ]


def test_a_file_is_not_renamed_over_a_folder(run, tmp_path):
    pairs = []
    for name in "abc":
        (tmp_path / name / ".new").mkdir(parents=True)
        (tmp_path / name / ".new" / "x").write_text("new")
        pairs += [str(tmp_path / name / ".new" / "x"), str(tmp_path / name)]
    (tmp_path / "b" / "x").mkdir()
    ended = run(b"kk_rename " + words(pairs))
    assert ended.returncode
    assert str(tmp_path / "b" / "x").encode() in ended.stderr
    assert (tmp_path / "b" / "x").is_dir()


def test_what_an_upload_left_is_told_by_size_and_sum(run, tmp_path):
    there, content = tmp_path / "there", b"some content"
    digest = hashlib.sha256(content).hexdigest()
    assert run(b"kk_part " + words([str(there), digest])).stdout == b"0\n"
    (tmp_path / "there.part").write_bytes(content[:5])
    part = hashlib.sha256(content[:5]).hexdigest().encode()
    assert run(b"kk_part " + words([str(there), digest])).stdout == b"5 %s\n" % part
    there.write_bytes(content)
    assert run(b"kk_part " + words([str(there), digest])).stdout == b"done\n"
