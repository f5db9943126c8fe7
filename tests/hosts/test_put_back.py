"""What was kept comes back exactly; what is mounted stays; what a power cut left in the middle is cleared away."""

import pytest

from klusterkit.engine.errors import CommandFailed
from klusterkit.engine.host import HOME, File


@pytest.fixture
def host(own_host):
    with own_host.fleet() as fleet:
        yield fleet["h"]


def listing(host, path):
    script = "cd $0 && find . -printf '%p %y %m %u %g %l %T@\\n' | sort; find . -type f -exec sha256sum {} +"
    return host.run(["sh", "-c", script, path]).text


def test_a_tree_comes_back_with_links_owners_times_and_special_bits(host):
    host.run(
        [
            "sh",
            "-c",
            "mkdir -p /run/t/sub && cd /run/t && echo x >sub/file && ln sub/file sub/hard && ln -s file sub/soft && "
            "chmod 6755 sub/file && chown daemon:adm sub && chmod 1777 sub && touch -d 2001-02-03 sub/file sub",
        ]
    )
    before = listing(host, "/run/t")
    host.keep("/run/t", f"{HOME}/kept/t")
    host.run(["sh", "-c", "cd /run/t && rm -r sub && mkdir sub more && echo y >sub/file"])
    host.put_back(f"{HOME}/kept/t", "/run/t")
    assert listing(host, "/run/t") == before
    assert host.run(["sh", "-c", "[ /run/t/sub/file -ef /run/t/sub/hard ]"]).ok


@pytest.mark.parametrize("now", ["echo y >/run/x", "ln -s nowhere /run/x", "mkdir /run/x; echo z >/run/x/z", ":"])
@pytest.mark.parametrize("then", ["echo x >/run/x", "ln -s target /run/x", "mkdir -p /run/x/sub"])
def test_anything_is_put_back_over_anything(private_host, then, now):
    with private_host.fleet() as fleet:
        host = fleet["h"]
        kept = f"{HOME}/kept/x"
        host.remove("/run/x", kept, recursive=True)
        host.run(["sh", "-c", then])
        before = host.stat("/run/x", "/run/x/sub", "/run/x/z")
        host.keep("/run/x", kept)
        host.remove("/run/x", recursive=True)
        host.run(["sh", "-c", now])
        host.put_back(kept, "/run/x")
        assert host.stat("/run/x", "/run/x/sub", "/run/x/z") == before
        assert host.stat("/run/.klusterkit-new")[0].type == "absent"


def test_what_a_power_cut_left_is_cleared_by_the_next_change_in_that_folder(host):
    for change in (
        lambda: host.write(File(path="/run/d/file", content=b"x")),
        lambda: host.remove("/run/d/file"),
        lambda: host.put_back(f"{HOME}/kept/file", "/run/d/file"),
    ):
        host.run(["mkdir", "-p", "/run/d/.klusterkit-new/file", f"{HOME}/kept/file"])
        change()
        assert host.stat("/run/d/.klusterkit-new")[0].type == "absent"
    host.remove("/run/d/file", recursive=True)
    host.run(["mkdir", "-p", "/run/d/.klusterkit-new/file"])
    host.remove("/run/d")
    assert host.stat("/run/d")[0].type == "absent"


@pytest.mark.parametrize("name", ["mounted", "with space"])
def test_a_recursive_removal_never_enters_what_is_mounted(host, name):
    host.run(
        [
            "sh",
            "-c",
            'mkdir -p "/run/r/$0" /run/kept && echo x >/run/kept/file && mount --bind /run/kept "/run/r/$0"',
            name,
        ]
    )
    for path in ("/run/r", f"/run/r/{name}"):
        with pytest.raises(CommandFailed, match="can't be removed") as caught:
            host.remove(path, recursive=True)
        assert "mount point" in caught.value.seen
    assert host.read("/run/kept/file") == b"x\n"
    host.run(["umount", f"/run/r/{name}"])
    host.remove("/run/r", recursive=True)
    assert host.stat("/run/r", "/run/kept/file")[0].type == "absent"


def test_a_full_disk_leaves_every_file_as_it_was(host):
    host.run(["sh", "-c", "mkdir /run/s && mount -t tmpfs -o size=256k none /run/s && echo old >/run/s/a"])
    with pytest.raises(CommandFailed) as caught:
        host.write(File(path="/run/s/a", content=b"new"), File(path="/run/s/b", content=b"x" * 600_000))
    assert "free on the file system of /run/s" in caught.value.seen
    assert host.read("/run/s/a") == b"old\n"
    assert host.run(["ls", "-A", "/run/s"]).text == "a"


def test_a_new_mode_counts_for_set_id_bits_too(host):
    host.run(["sh", "-c", "mkdir /run/m && chmod 2775 /run/m"])
    host.mkdir("/run/m", 0o750)
    host.write(File(path="/run/m/suid", content=b"x", mode=0o4755, owner="daemon:adm"))
    folder, file = host.stat("/run/m", "/run/m/suid")
    assert (folder.mode, file.mode, file.owner) == (0o750, 0o4755, "daemon:adm")


def test_an_owner_without_a_name_is_told_by_number(host):
    host.write(File(path="/run/o", content=b"", owner="12345:54321"))
    assert host.stat("/run/o")[0].owner == "12345:54321"
