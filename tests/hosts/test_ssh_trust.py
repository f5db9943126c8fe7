"""Host keys and logins: what isn't known is refused before we prove who we are."""

import os
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from private_host import PrivateHost

from klusterkit.engine.errors import HostUnreachable
from klusterkit.hosts import Fleet, HostKeys, Target, load_private_key, opening
from klusterkit.hosts.errors import ChangedHostKey, HostKeyRevoked, LoginRefused, RootRefused, UnknownHostKey


def fingerprint(path):
    return subprocess.run(["ssh-keygen", "-lf", path], check=True, capture_output=True, text=True).stdout.split()[1]


def connect(host, keys=None, **options):
    with host.fleet(keys=keys, **options) as fleet:
        return fleet["h"].run(["id", "-u"]).text


def test_an_unknown_host_key_is_refused_before_authentication(own_host):
    with pytest.raises(UnknownHostKey) as caught:
        connect(own_host, HostKeys())
    error = caught.value
    assert error.fingerprint == fingerprint(f"{own_host.folder}/host_ed25519.pub")
    assert error.known_hosts.split()[:2] == own_host.known_hosts[0].split()[:2]
    assert error.fingerprint in error.hint
    assert error.exit_code == 5
    assert "publickey" not in own_host.log
    assert "userauth" not in own_host.log


def test_the_line_that_an_unknown_key_comes_with_makes_it_known(private_host):
    with pytest.raises(UnknownHostKey) as caught:
        connect(private_host, HostKeys())
    assert connect(private_host, HostKeys([caught.value.known_hosts])) == "0"


def test_a_changed_host_key_is_refused_before_authentication(own_host):
    known = HostKeys(own_host.known_hosts)
    own_host.power_off()
    own_host.new_host_key("ed25519")
    own_host.start()
    with pytest.raises(ChangedHostKey) as caught:
        connect(own_host, known)
    assert fingerprint(f"{own_host.folder}/host_ed25519.pub") in caught.value.seen
    assert "publickey" not in own_host.log


def test_a_fingerprint_that_was_named_is_accepted_once_and_given_out_to_be_pinned(private_host):
    keys = HostKeys(fingerprints=[fingerprint(f"{private_host.folder}/host_ed25519.pub")])
    assert connect(private_host, keys) == "0"
    assert connect(private_host, HostKeys(keys.accepted)) == "0"


def test_a_changed_key_is_refused_even_if_its_fingerprint_was_named(own_host):
    old = own_host.known_hosts
    own_host.power_off()
    own_host.new_host_key("ed25519")
    own_host.start()
    new = fingerprint(f"{own_host.folder}/host_ed25519.pub")
    with pytest.raises(ChangedHostKey):
        connect(own_host, HostKeys(old, fingerprints=[new]))


def test_who_is_asked_decides_about_an_unknown_key(private_host):
    asked = []
    keys = HostKeys(ask=lambda unknown: not asked.append(unknown.fingerprint))
    assert connect(private_host, keys) == "0"
    assert connect(private_host, keys) == "0"
    assert asked == [fingerprint(f"{private_host.folder}/host_ed25519.pub")]
    with pytest.raises(UnknownHostKey):
        connect(private_host, HostKeys(ask=lambda unknown: False))


def test_a_question_lasts_until_it_is_answered(private_host):
    told = []

    def ask(unknown):
        told.append(keys.last_asked())
        time.sleep(0.1)
        told.append(keys.last_asked())
        return True

    keys = HostKeys(ask=ask)
    assert keys.last_asked() == 0.0
    connect(private_host, keys)
    began, going_on = told
    assert began + 0.1 <= going_on <= keys.last_asked() < time.monotonic()


def test_whoever_compares_fingerprints_may_take_longer_than_sshd_waits(tmp_path):
    host = PrivateHost(tmp_path / "host", more="LoginGraceTime 4")
    asked = []

    def ask(unknown):
        asked.append(unknown.fingerprint)
        time.sleep(6)
        return True

    try:
        assert connect(host, HostKeys(ask=ask)) == "0"
        assert len(asked) == 1
    finally:
        host.power_off()


def test_a_known_hosts_file_counts_hashed_names_included(private_host, tmp_path):
    file = tmp_path / "known_hosts"
    file.write_text("\n".join(private_host.known_hosts) + "\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "127.0.0.1" not in file.read_text()
    assert connect(private_host, HostKeys(files=[tmp_path / "missing", file])) == "0"


def test_a_revoked_key_is_refused(private_host, tmp_path):
    file = tmp_path / "known_hosts"
    file.write_text("".join(f"@revoked * {line.split(' ', 1)[1]}\n" for line in private_host.known_hosts))
    with pytest.raises(HostKeyRevoked):
        connect(private_host, HostKeys(private_host.known_hosts, [file]))


def test_a_host_is_asked_for_the_type_of_key_that_is_known(tmp_path):
    host = PrivateHost(tmp_path / "host", ("ed25519", "rsa", "ecdsa"))
    try:
        for line in host.known_hosts:
            assert connect(host, HostKeys([line])) == "0"
    finally:
        host.power_off()


def test_a_wrong_login_key_is_refused_with_words(private_host, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    with pytest.raises(LoginRefused) as caught:
        connect(private_host, key=load_private_key((tmp_path / "other").read_bytes()))
    assert "authorized_keys" in caught.value.hint


def test_sudo_that_asks_nothing_gives_root(private_host):
    assert connect(private_host, user="admin") == "0"


def test_sudo_that_asks_for_a_password_is_refused_with_words(private_host):
    with pytest.raises(RootRefused) as caught:
        connect(private_host, user="plain")
    assert "password" in caught.value.seen
    assert "NOPASSWD" in caught.value.hint


@pytest.mark.parametrize(("ending", "told"), [("exit 3", RootRefused), ("kill -KILL $$", HostUnreachable)])
def test_a_login_shell_that_ends_is_no_root_shell_and_one_that_is_killed_is_a_host_that_goes_down(
    tmp_path, ending, told
):
    shell = tmp_path / "shell"
    shell.write_text(f"#!/bin/sh\n{ending}\n")
    shell.chmod(0o755)
    host = PrivateHost(tmp_path / "host", root_shell=str(shell))
    try:
        with pytest.raises(told):
            connect(host, patience=0.5)
    finally:
        host.power_off()


def test_sudo_with_a_terminal_of_its_own_keeps_outputs_apart(own_host):
    with (own_host.folder / "sudoers").open("a") as sudoers:
        sudoers.write("Defaults use_pty\n")
    with own_host.fleet(user="admin") as fleet:
        ended = fleet["h"].run(["sh", "-c", "cat; printf 'a\\nb'; printf 'c' >&2"], stdin=b"in\n")
    assert (ended.out, ended.err) == (b"in\na\nb", b"c")


def test_nobody_at_the_address_is_unreachable(own_host):
    own_host.power_off()
    with pytest.raises(HostUnreachable) as caught:
        connect(own_host)
    assert "refused" in caught.value.seen.lower() or "unable to connect" in caught.value.seen.lower()


def test_a_host_is_reached_through_a_jump_host_whose_key_is_checked_too(private_host, own_host):
    both = [*private_host.known_hosts, *own_host.known_hosts]
    assert connect(private_host, HostKeys(both), jump=own_host.login()) == "0"
    assert "Accepted publickey" in own_host.log
    with pytest.raises(UnknownHostKey) as caught:
        connect(private_host, HostKeys(private_host.known_hosts), jump=own_host.login())
    assert str(own_host.port) in str(caught.value)


def test_the_ssh_configuration_names_a_jump_host_whose_key_is_checked_too(private_host, own_host, tmp_path):
    config = tmp_path / "config"
    jump = f"root@localhost:{own_host.port}"  # by another name: Fabric takes a jump host of the same for no jump
    config.write_text(f"Host target\n  HostName 127.0.0.1\n  Port {private_host.port}\n  ProxyJump {jump}\n")
    options = {"address": "target", "port": None, "config": config}
    with pytest.raises(UnknownHostKey) as caught:
        connect(private_host, HostKeys(private_host.known_hosts), **options)
    assert caught.value.known_hosts.startswith(f"[localhost]:{own_host.port} ")
    with (own_host.folder / "authorized_keys").open("a") as keys:
        keys.write(private_host.key.with_suffix(".pub").read_text())
    own_host.power_off()
    own_host.start()
    both = HostKeys(
        [*private_host.known_hosts, *(line.replace("127.0.0.1", "localhost") for line in own_host.known_hosts)]
    )
    assert connect(private_host, both, **options) == "0"
    assert "Accepted publickey" in own_host.log


def test_many_hosts_go_through_one_jump_host_and_close_one_by_one(private_host, own_host):
    keys = HostKeys([*private_host.known_hosts, *own_host.known_hosts])
    targets = {f"h{n}": Target(login=private_host.login(), jump=own_host.login()) for n in range(6)}
    before = own_host.log.count("Accepted publickey")
    with Fleet(targets, keys) as fleet:
        assert [fleet[name].run(["echo", name]).text for name in targets] == [*targets]
        for name in list(targets)[:3]:
            fleet[name].close()
        assert [fleet[name].run(["echo", name]).text for name in list(targets)[3:]] == [*targets][3:]
    assert own_host.log.count("Accepted publickey") == before + 1


def test_more_connections_at_once_than_sshd_lets_begin_all_come_through(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "TURNED_AWAY", 60.0)  # how long each is tried; here all share a busy machine
    host = PrivateHost(tmp_path / "host", more="MaxStartups 2:50:4")
    try:
        targets = {str(n): Target(login=host.login()) for n in range(8)}
        with Fleet(targets, HostKeys(host.known_hosts)) as fleet, ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda name: fleet[name].run(["echo", "x"]).text, targets))
        assert found == ["x"] * 8
    finally:
        host.power_off()


def test_a_host_that_allows_two_sessions_is_worked_with(tmp_path):
    host = PrivateHost(tmp_path / "host", more="MaxSessions 2")
    try:
        with host.fleet() as fleet:
            threads = [threading.Thread(target=fleet["h"].run, args=(["sleep", "0.2"],)) for _ in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert fleet["h"].run(["echo", "x"]).text == "x"
    finally:
        host.power_off()


assert os.geteuid() == 0, "these tests make namespaces: run them as root"
