"""A bundle that is pushed gets to every host as a whole, each of its files once."""

from __future__ import annotations

import pytest

from klusterkit.cluster.releases import RELEASES
from klusterkit.engine.errors import UsageError
from klusterkit.plans.push import PushRequest, compile_push
from klusterkit.plans.reference.inputs import LINEAGE, MASTERS, bundled, facts_of
from klusterkit.plans.request import Options
from klusterkit.tasks.artifacts import Upload

FIRST, SECOND = MASTERS[:2]


def request(*, there: dict[str, tuple[str, ...]] | None = None, free: int = 100 << 30) -> PushRequest:
    machines = (FIRST, SECOND)
    return PushRequest(
        machines=machines,
        facts={each.name: facts_of(each).model_copy(update={"disk_free": free}) for each in machines},
        contents=bundled(),
        there=there or {},
        lineage=LINEAGE,
        serial=1,
        operation="bundle push",
        options=Options(share=False),
    )


def brought(host: str, **given: dict[str, tuple[str, ...]]) -> list[str]:
    """The digests that are sent to a host."""
    plan = compile_push(request(**given))
    return [task.step.sha256 for task in plan.tasks if task.host == host and isinstance(task.step, Upload)]


def test_programs_of_the_same_name_and_two_versions_are_both_brought() -> None:
    kubelets = {content.version for content in bundled() if content.name == "kubelet"}
    assert kubelets == {release.tried.tag for release in RELEASES}

    assert sorted(brought(FIRST.name)) == sorted(content.sha256 for content in bundled())


def test_a_host_gets_only_what_it_lacks() -> None:
    has = tuple(content.sha256 for content in bundled()[3:])

    assert brought(FIRST.name, there={FIRST.name: has}) == [content.sha256 for content in bundled()[:3]]
    assert len(brought(SECOND.name, there={FIRST.name: has})) == len(bundled())


def test_a_host_without_room_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=rf"{FIRST.name} has too little room"):
        compile_push(request(free=2 << 30))
