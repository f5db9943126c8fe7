"""An authority whose key is on the host: made once, used as it is, never replaced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from step_world import World, tell_every_story

from klusterkit.engine.errors import PermanentError
from klusterkit.pki import Authority as Keys
from klusterkit.tasks.authority import Authority, ServiceAccountKey

MAKE = Authority(common_name="etcd-ca", base="/etc/pki/ca")
USE = Authority(common_name="etcd-ca", base="/etc/pki/ca", make=False)
CERTIFICATE, KEY = MAKE.writes


def world(**files: str) -> World:
    made = World()
    made.tree.makedirs("/etc/pki")
    for ending, text in files.items():
        made.tree.write(f"/etc/pki/ca.{ending}", text, 0o600 if ending == "key" else 0o644)
    return made


def keys(days_ago: int = 0) -> Keys:
    return Keys.create("etcd-ca", years=1, now=datetime.now(UTC) - timedelta(days=days_ago))


def test_a_new_one_can_issue_and_only_root_reads_its_key() -> None:
    there = world()
    there.do(MAKE)
    assert there.observe(MAKE).satisfied
    assert there.host.stat(KEY)[0].mode == 0o600
    Keys.load(there.host.read(CERTIFICATE).decode(), there.host.read(KEY).decode())


def test_cut_anywhere_it_is_finished_or_taken_back() -> None:
    assert tell_every_story(MAKE, world, anew=MAKE.writes) > 0


def test_one_that_is_there_is_used_as_it_is() -> None:
    brought = keys()
    there = world(crt=brought.cert_pem, key=brought.key_pem)
    assert there.observe(MAKE).satisfied
    assert there.observe(USE).satisfied


def test_a_key_that_others_can_read_is_closed_to_them_and_nothing_else_changes() -> None:
    brought = keys()

    def open_to_others() -> World:
        there = world(crt=brought.cert_pem, key=brought.key_pem)
        there.tree.write(KEY, brought.key_pem, 0o644)
        return there

    assert "others can read" in open_to_others().observe(MAKE).reason
    assert tell_every_story(MAKE, open_to_others) > 0


@pytest.mark.parametrize("there", [{"crt": "x"}, {"key": "x"}])
@pytest.mark.parametrize("step", [MAKE, USE])
def test_half_of_one_is_never_completed(there: dict[str, str], step: Authority) -> None:
    with pytest.raises(PermanentError, match="not both there"):
        world(**there).do(step)


def test_a_missing_one_is_asked_for_where_none_may_be_made() -> None:
    with pytest.raises(PermanentError) as refused:
        world().do(USE)
    assert "rsync" in (refused.value.hint or "")


def test_one_that_can_not_issue_is_refused_and_stays() -> None:
    expired, other = keys(days_ago=400), keys()
    for certificate, key in [(expired.cert_pem, expired.key_pem), (other.cert_pem, expired.key_pem)]:
        there = world(crt=certificate, key=key)
        with pytest.raises(PermanentError, match="can't be used"):
            there.do(MAKE)
        assert there.host.read(CERTIFICATE).decode() == certificate


SIGNING = ServiceAccountKey(base="/etc/pki/sa")


def test_a_new_key_pair_belongs_together_and_only_root_reads_its_key() -> None:
    there = world()
    there.do(SIGNING)
    assert there.observe(SIGNING).satisfied
    assert there.host.stat("/etc/pki/sa.key")[0].mode == 0o600
    assert tell_every_story(SIGNING, world, anew=SIGNING.writes) > 0


def test_keys_that_do_not_belong_together_are_refused_and_stay() -> None:
    one, other = SIGNING.made(), SIGNING.made()
    there = world()
    there.tree.write("/etc/pki/sa.pub", one[0], 0o644)
    there.tree.write("/etc/pki/sa.key", other[1], 0o600)
    with pytest.raises(PermanentError, match="don't belong together"):
        there.do(SIGNING)
    assert there.host.read("/etc/pki/sa.pub").decode() == one[0]
