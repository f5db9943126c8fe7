"""Versions are ordered as semantic versions are, and only those that may be together are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.cluster import LATEST, RELEASES, InvalidCluster, Version, release_of
from klusterkit.cluster.versions import (
    VersionSkew,
    check_api_servers,
    check_kubeadm,
    check_kubelet,
    check_upgrade,
)

NUMBERS = st.integers(0, 50)
PRERELEASES = st.one_of(
    st.just(""),
    st.builds(lambda stage, n: f"{stage}.{n}", st.sampled_from(["alpha", "beta", "rc"]), st.integers(0, 20)),
)
VERSIONS = st.builds(Version, st.integers(1, 2), NUMBERS, NUMBERS, PRERELEASES)


@given(VERSIONS)
def test_a_version_survives_being_written_and_read(version: Version) -> None:
    assert Version.parse(str(version)) == version
    assert Version.parse(version.tag) == version


@given(VERSIONS, VERSIONS)
def test_of_two_versions_one_is_older_or_they_are_the_same(one: Version, other: Version) -> None:
    assert [one < other, one == other, other < one].count(True) == 1
    assert (one <= other) == (not other < one)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_order_is_transitive(one: Version, two: Version, three: Version) -> None:
    first, second, third = sorted([one, two, three])
    assert first <= second <= third
    assert first <= third


def test_order_is_that_of_semantic_versioning() -> None:
    ordered = [
        "1.9.11",
        "1.36.0-alpha.9",
        "1.36.0-alpha.10",
        "1.36.0-beta.0",
        "1.36.0-rc.1",
        "1.36.0",
        "1.36.10",
        "2.0.0",
    ]
    assert [str(version) for version in sorted(map(Version.parse, reversed(ordered)))] == ordered


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.36", "latest", "1.36.3.4", "1.36.03", "V1.36.3", "1.36.3-", "1.36.3-rc", "1.36.3+k3s1", " 1.36.3"],
)
def test_text_that_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidCluster, match="is not a version") as caught:
        Version.parse(text)
    assert caught.value.hint == "write all three numbers, as in 1.36.3"


def allowed(check: object, *versions: Version) -> bool:
    try:
        check(*versions)
    except VersionSkew:
        return False
    return True


@given(VERSIONS, VERSIONS)
def test_a_kubelet_is_up_to_three_minors_older_and_never_newer(kubelet: Version, api_server: Version) -> None:
    behind = api_server.minor_number - kubelet.minor_number
    assert allowed(check_kubelet, kubelet, api_server) == (kubelet.major == api_server.major and 0 <= behind <= 3)


@given(st.lists(VERSIONS, max_size=5))
def test_api_servers_are_within_one_minor(versions: list[Version]) -> None:
    majors, minors = {v.major for v in versions}, {v.minor_number for v in versions}
    together = not versions or (len(majors) == 1 and max(minors) - min(minors) <= 1)
    assert allowed(check_api_servers, versions) == together


@given(VERSIONS, VERSIONS)
def test_an_upgrade_goes_forward_and_past_no_minor(current: Version, target: Version) -> None:
    step = target.minor_number - current.minor_number
    expected = target > current and target.major == current.major and step <= 1
    assert allowed(check_upgrade, current, target) == expected


@given(VERSIONS, VERSIONS)
def test_after_an_upgrade_old_kubelets_may_stay_for_a_while(current: Version, target: Version) -> None:
    if allowed(check_upgrade, current, target):
        assert allowed(check_kubelet, current, target)
        assert allowed(check_api_servers, [current, target])


@given(VERSIONS, VERSIONS)
def test_kubeadm_sets_up_its_own_minor_up_to_its_own_patch(kubeadm: Version, target: Version) -> None:
    assert allowed(check_kubeadm, kubeadm, target) == (kubeadm.minor == target.minor and target <= kubeadm)


def test_an_upgrade_past_a_minor_says_where_to_stop() -> None:
    with pytest.raises(VersionSkew) as caught:
        check_upgrade(Version.parse("1.35.1"), Version.parse("1.37.2"))
    assert caught.value.hint == "upgrade to 1.36 first"


@given(st.sampled_from(RELEASES), st.integers(0, 99))
def test_any_patch_of_a_known_minor_has_its_components(release: object, patch: int) -> None:
    assert release_of(Version.parse(f"{release.minor}.{patch}")) is release


def test_an_unknown_minor_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InvalidCluster, match=r"Kubernetes 1\.99 is not known") as caught:
        release_of(Version(1, 99, 0))
    assert "1.36" in str(caught.value.hint)
    assert "1.37" in str(caught.value.hint)


def test_the_table_of_releases_is_in_order_and_whole() -> None:
    tried = [release.tried for release in RELEASES]
    assert tried == sorted(tried)
    assert tried[-1] == LATEST
    assert [release.tried.minor for release in RELEASES] == [release.minor for release in RELEASES]
