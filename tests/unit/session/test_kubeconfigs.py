"""A kubeconfig of the user: ours is in it, theirs is as it was, and a good certificate isn't multiplied."""

from __future__ import annotations

import json
import os
import stat
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from klusterkit import pki
from klusterkit.cluster import Cluster, Endpoint
from klusterkit.engine.errors import UsageError
from klusterkit.pki import leaves
from klusterkit.session.access.kubeconfig import Given, WantedAccess, admin_kubeconfig, give_access
from klusterkit.session.access.kubeconfigs import Kubeconfigs, user_paths
from tests.unit.session.conftest import Opened

OURS = "cctl-cluster-admin"
THEIRS: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "preferences": {"colors": True},
    "clusters": [{"name": "office", "cluster": {"server": "https://office:6443", "proxy-url": "socks5://p"}}],
    "users": [{"name": "me", "user": {"token": "abc"}}],
    "contexts": [{"name": "office", "context": {"cluster": "office", "user": "me", "namespace": "web"}}],
    "current-context": "office",
}


def give(opened: Opened, **wanted: Any) -> Given:
    with opened() as hold:
        return give_access(hold, WantedAccess(**wanted))


def theirs(path: Path, config: dict[str, Any] = THEIRS) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(config))
    return path


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def item(path: Path, section: str, name: str = OURS) -> Any:
    field = section.removesuffix("s")
    return next(each[field] for each in read(path)[section] if each["name"] == name)


def certificate(path: Path) -> str:
    return b64decode(item(path, "users")["client-certificate-data"]).decode()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_of_its_own_holds_the_cluster_and_uses_it(opened: Opened, home: Path) -> None:
    given = give(opened, out=home / "admin.conf")

    config = read(home / "admin.conf")
    assert config["current-context"] == given.context == OURS
    assert config["clusters"][0]["cluster"]["server"] == "https://10.0.0.5:6443"
    assert stat.S_IMODE((home / "admin.conf").stat().st_mode) == 0o600
    assert given.new
    assert given.former is None


def test_the_certificate_is_the_administrators_and_its_key_is_beside_it(opened: Opened, home: Path) -> None:
    give(opened, out=home / "admin.conf")
    with opened() as hold:
        authority = hold.secret("ca.crt").decode()

    key = b64decode(item(home / "admin.conf", "users")["client-key-data"]).decode()
    assert pki.check(certificate(home / "admin.conf"), key, authority, leaves.admin(), datetime.now(UTC)) == []


def test_a_good_certificate_is_kept_and_the_file_not_even_written(opened: Opened, home: Path) -> None:
    give(opened, out=home / "admin.conf")
    before = (home / "admin.conf").stat()
    given = give(opened, out=home / "admin.conf")

    assert not given.new
    assert (home / "admin.conf").stat().st_ino == before.st_ino


def test_rotation_gives_a_new_certificate_and_names_the_one_that_still_works(opened: Opened, home: Path) -> None:
    give(opened, out=home / "admin.conf")
    before = pki.life(certificate(home / "admin.conf"))
    given = give(opened, out=home / "admin.conf", rotate=True, days=2)

    after = pki.life(certificate(home / "admin.conf"))
    assert given.former == before != after
    assert given.until == after.ends < datetime.now(UTC) + timedelta(days=2, minutes=1)


def test_a_certificate_that_is_not_the_administrators_is_replaced_without_being_asked(
    opened: Opened, home: Path
) -> None:
    give(opened, out=home / "admin.conf")
    with opened() as hold:
        authority = pki.Authority.load(hold.secret("ca.crt").decode(), hold.secret("ca.key").decode())
    other = authority.issue(leaves.scheduler())
    config = read(home / "admin.conf")
    data = {"client-certificate-data": other.cert_pem, "client-key-data": other.key_pem}
    config["users"][0]["user"] = {name: b64encode(text.encode()).decode() for name, text in data.items()}
    theirs(home / "admin.conf", config)

    assert give(opened, out=home / "admin.conf").former == pki.life(other.cert_pem)


def test_when_the_api_moves_the_address_is_changed_and_the_certificate_kept(opened: Opened, home: Path) -> None:
    give(opened, out=home / "admin.conf")
    with opened() as hold:
        moved = Cluster.from_object(hold.snapshot.cluster or {}).replace(endpoint=Endpoint(host="10.0.0.100"))
        hold.state.fold(hold.snapshot.model_copy(update={"cluster": moved.to_object()}))

    assert not give(opened, out=home / "admin.conf").new
    assert item(home / "admin.conf", "clusters", "cctl-cluster")["server"] == "https://10.0.0.100:6443"


def test_merging_leaves_everything_of_the_users_as_it_was(opened: Opened, home: Path) -> None:
    path = theirs(home / ".kube" / "config")
    path.chmod(0o644)
    given = give(opened, merge=True)

    config = read(path)
    for section in ("clusters", "users", "contexts"):
        assert config[section][0] == THEIRS[section][0]
        assert len(config[section]) == 2
    assert (config["current-context"], config["preferences"]) == ("office", {"colors": True})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [read(backup) for backup in given.backups] == [THEIRS]
    assert stat.S_IMODE(given.backups[0].stat().st_mode) == 0o600
    assert files(path.parent) == ["config", "config.before-cctl"]


def test_the_current_context_changes_only_when_that_is_asked(opened: Opened, home: Path) -> None:
    path = theirs(home / ".kube" / "config")
    give(opened, merge=True)
    assert read(path)["current-context"] == "office"
    give(opened, merge=True, use=True)
    assert read(path)["current-context"] == OURS


def test_without_a_kubeconfig_merging_makes_one(opened: Opened, home: Path) -> None:
    give(opened, merge=True)

    assert stat.S_IMODE((home / ".kube").stat().st_mode) == 0o700
    assert "current-context" not in read(home / ".kube" / "config")
    assert files(home / ".kube") == ["config"]


def test_in_a_list_of_files_a_new_entry_goes_to_the_first_that_exists(
    opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, third = theirs(home / "b"), theirs(home / "c")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(["", str(home / "a"), str(second), str(third)]))

    assert give(opened, merge=True).path == second
    assert read(third) == THEIRS
    assert not (home / "a").exists()


def test_in_a_list_of_files_an_entry_is_changed_where_it_is(
    opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(opened, out=home / "mine")
    first = theirs(home / "a")
    monkeypatch.setenv("KUBECONFIG", f"{first}{os.pathsep}{home / 'mine'}")

    assert give(opened, merge=True, rotate=True).path == home / "mine"
    assert read(first) == THEIRS


def test_where_no_file_of_the_list_exists_the_last_is_made(
    opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{home / 'a'}{os.pathsep}{home / 'b'}")

    assert give(opened, merge=True).path == home / "b"


def test_what_the_user_added_to_our_entries_stays(opened: Opened, home: Path) -> None:
    give(opened, merge=True)
    path = home / ".kube" / "config"
    config = read(path)
    config["contexts"][0]["context"]["namespace"] = "web"
    config["clusters"][0]["cluster"] |= {"proxy-url": "socks5://p", "insecure-skip-tls-verify": True}
    theirs(path, config)
    give(opened, merge=True, rotate=True)

    assert item(path, "contexts")["namespace"] == "web"
    assert item(path, "clusters", "cctl-cluster")["proxy-url"] == "socks5://p"
    assert "insecure-skip-tls-verify" not in item(path, "clusters", "cctl-cluster")


def test_a_link_stays_a_link(opened: Opened, home: Path) -> None:
    real = theirs(home / "dotfiles")
    (home / ".kube").mkdir()
    (home / ".kube" / "config").symlink_to(real)
    give(opened, merge=True)

    assert (home / ".kube" / "config").is_symlink()
    assert len(read(real)["clusters"]) == 2


def test_a_pipe_is_written_to_and_neither_read_nor_locked(opened: Opened, home: Path) -> None:
    pipe = home / "pipe"
    os.mkfifo(pipe)
    before = files(home)
    with os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        give(opened, out=pipe)
        assert yaml.safe_load(reader.read())["current-context"] == OURS
    assert files(home) == before
    assert pipe.is_fifo()


def test_a_file_with_other_clusters_is_refused_as_a_file_of_its_own(opened: Opened, home: Path) -> None:
    path = theirs(home / ".kube" / "config")

    with pytest.raises(UsageError, match="holds other clusters: office") as refused:
        give(opened, out=path)
    assert "--merge" in str(refused.value.hint)
    assert read(path) == THEIRS


def test_another_cluster_of_the_same_name_is_never_overwritten(opened: Opened, home: Path) -> None:
    config = json.loads(json.dumps(THEIRS).replace('"office"', '"cctl-cluster"'))
    path = theirs(home / ".kube" / "config", config)

    with pytest.raises(UsageError, match="another cluster that is called cctl-cluster"):
        give(opened, merge=True)
    with pytest.raises(UsageError, match="another cluster that is called cctl-cluster"):
        give(opened, out=path)
    assert read(path) == config
    given = give(opened, merge=True, context="blue")
    assert item(path, "contexts", "blue") == {"cluster": "blue", "user": "blue"}
    assert given.context == "blue"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [", "not YAML"),
        ("- a\n", "no mapping"),
        ("kind: Pod\n", "its kind is 'Pod'"),
        ("clusters: [{name: 1}]\n", "clusters are not a list"),
    ],
)
def test_what_is_no_kubeconfig_is_left_alone(opened: Opened, home: Path, text: str, why: str) -> None:
    (home / "file").write_text(text)
    for merge in (False, True):
        with pytest.raises(UsageError, match=why):
            give(opened, out=home / "file", merge=merge)
    assert (home / "file").read_text() == text
    assert "file.lock" not in files(home)


def test_an_empty_file_is_one_without_entries(opened: Opened, home: Path) -> None:
    (home / "file").touch()
    give(opened, out=home / "file", merge=True)

    assert read(home / "file")["clusters"][0]["name"] == "cctl-cluster"


def test_while_kubectl_changes_the_file_nobody_else_does(opened: Opened, home: Path) -> None:
    path = theirs(home / ".kube" / "config")
    path.with_name("config.lock").touch()

    with pytest.raises(UsageError, match="being changed by another program"):
        give(opened, merge=True)
    assert read(path) == THEIRS
    assert files(path.parent) == ["config", "config.lock"]


def test_a_folder_that_is_a_file_is_told_without_a_traceback(opened: Opened, home: Path) -> None:
    (home / ".kube").write_text("no folder")

    with pytest.raises(UsageError, match="can't be written"):
        give(opened, merge=True)


def test_what_goes_to_standard_output_is_a_whole_kubeconfig(opened: Opened) -> None:
    with opened() as hold:
        config = yaml.safe_load(admin_kubeconfig(hold, WantedAccess(days=1)))

    assert config["current-context"] == OURS
    assert config["contexts"][0]["context"] == {"cluster": "cctl-cluster", "user": OURS}


def test_the_users_files_are_kubeconfig_or_the_one_in_the_home(tmp_path: Path) -> None:
    assert user_paths({"HOME": "/home/me"}) == [Path("/home/me/.kube/config")]
    assert user_paths({"HOME": "/home/me", "KUBECONFIG": "/a::/b:/a"}) == [Path("/a"), Path("/b")]
    assert Kubeconfigs([tmp_path / "none"]).names("clusters") == []
