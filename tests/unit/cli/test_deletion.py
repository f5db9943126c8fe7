"""What machines and clusters are deleted with: the original's options, and what they mean here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from test_local_commands import Operator

from klusterkit.cli.cctl import cctl
from klusterkit.cli.deletion import Draining, EndOptions, LeavingMachines
from klusterkit.cli.guard import guarded
from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.plan import Plan
from klusterkit.plans.deletion import DrainOptions
from klusterkit.session.machines.delete import Wanted
from klusterkit.state import StateFile, lock


def wanted(**options: Any) -> dict[str, Any]:
    return Draining(**options).wanted()


def test_machines_are_named_in_whatever_way() -> None:
    assert LeavingMachines(machine=["w1", "10.0.0.6"], ip=["10.0.0.5"]).wanted()["machines"] == (
        "w1",
        "10.0.0.6",
        "10.0.0.5",
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5m", 300.0), ("1h30m", 5400.0), ("90s", 90.0), ("45", 45.0), ("0", None), ("0s", None)],
)
def test_a_time_is_written_as_the_original_took_it(text: str, seconds: float | None) -> None:
    assert wanted(drain_timeout=text)["drain"]["within"] == seconds


@pytest.mark.parametrize("text", ["", "5 m", "m5", "5x", "-1"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="5m or 1h30m"):
        wanted(drain_timeout=text)


@pytest.mark.parametrize("text", ["8761h", "31536001", "31536001s", "9" * 400, "9" * 400 + "h"])
def test_longer_than_a_year_is_refused_as_a_slip(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"--drain-timeout .* a year"):
        wanted(drain_timeout=text)
    assert wanted(drain_timeout="8760h")["drain"]["within"] == 31_536_000.0


def test_pods_get_the_time_that_they_ask_for_themselves_unless_it_is_said() -> None:
    assert DrainOptions(**wanted()["drain"]) == DrainOptions()
    assert wanted(drain_grace_period=0)["drain"]["grace"] == 0


def test_force_is_told_apart() -> None:
    with pytest.raises(typer.BadParameter, match=r"--gone .* --drain-force .* --skip-drain"):
        LeavingMachines(ip=["10.0.0.5"], force=True).wanted()


def test_no_machine_is_no_request() -> None:
    with pytest.raises(typer.BadParameter, match="--ip"):
        LeavingMachines().wanted()


def test_images_stay_where_that_is_wanted() -> None:
    assert EndOptions(keep_images=True).wanted()["keep_uploads"]


@pytest.mark.parametrize(
    "words",
    [
        "delete machine --ip 10.0.0.5 --drain-timeout 10m --drain-grace-period 30 --drain-force",
        "delete machine --ip 10.0.0.5 --drain-delete-local-data",
        "delete machine --ip 10.0.0.5 --skip-drain-delete",
    ],
)
def test_the_originals_command_lines_are_understood(words: str, tmp_path: Path, capsys: Any) -> None:
    state = str(tmp_path / "none.yaml")
    assert guarded(cctl(), [*words.split(), "--yes", "--state", state]) == 3
    assert "there is no state file" in capsys.readouterr().err


def test_a_cluster_without_machines_is_forgotten_with_its_authorities(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    operator.cctl("create", "credential", "--user", "root", "--private-key", "~/id")
    operator.cctl("create", "cluster", "--pod-network", "192.168.0.0/16", "--service-network", "192.169.0.0/24")
    refused = operator.cctl("delete", "cluster", "--yes", code=3)
    assert "--confirm cctl-cluster" in refused.stderr
    assert "cctl-cluster" in operator.cctl("get", "cluster").stdout

    operator.cctl("delete", "cluster", "--yes", "--confirm", "cctl-cluster")

    assert operator.cctl("get", "cluster", "-o", "name").stdout == ""
    assert operator.cctl("get", "credential", "-o", "name").stdout == "credential/ssh-credential\n"
    assert "delete cluster" in operator.cctl("history").stdout
    state = (tmp_path / "cctl-state.yaml").read_text()
    assert "ca.key" not in state
    assert "ssh-credential.key" in state
    operator.cctl("create", "cluster", "--pod-network", "192.168.0.0/16", "--service-network", "192.169.0.0/24")


@pytest.fixture(name="two")
def _two(tmp_path: Path) -> Path:
    """The objects of a master, in a file beside the state, which has a worker, too."""
    machines = [
        Machine.of(name=name, address=address, roles=role).to_object()
        for name, address, role in (("m1", "10.0.0.5", "master"), ("w1", "10.0.0.6", "node"))
    ]
    path = tmp_path / "state.yaml"
    with lock(path, "test") as held:
        state = StateFile.create(path, None, lock=held)
        cluster = Cluster.of(pod_network="192.168.0.0/16", service_network="192.169.0.0/24").to_object()
        state.fold(state.snapshot.model_copy(update={"cluster": cluster, "machines": machines}))
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all([cluster, machines[0]]))
    return file


@pytest.mark.parametrize("words", [["apply", "--yes"], ["plan", "apply"]])
def test_what_objects_leave_out_is_drained_as_it_is_for_a_deletion(
    two: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Wanted] = []

    def plan_delete(_: object, wanted: Wanted) -> Plan:
        asked.append(wanted)
        return Plan(operation="delete machine w1", lineage="l", serial=1, tasks=())

    monkeypatch.setattr("klusterkit.session.machines.applying.plan_delete", plan_delete)
    given = ["--drain-delete-local-data", "--drain-force", "--drain-timeout", "10m", "--drain-grace-period", "30"]
    where = ["-f", str(two), "--state", str(two.with_name("state.yaml"))]

    assert guarded(cctl(), [*words, *where, "--prune", "--at-once", "2", *given]) == 0

    (wanted,) = asked
    assert wanted.machines == ("w1",)
    assert wanted.drain == DrainOptions(local_data=True, force=True, within=600.0, grace=30, at_once=2)


@pytest.mark.parametrize("words", [["apply", "--yes", "-f"], ["plan", "apply", "-f"], ["apply"]])
def test_how_nodes_are_drained_is_not_said_where_none_leaves(
    two: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--state", str(two.with_name("state.yaml"))]

    assert guarded(cctl(), [*words, str(two), *where, "--drain-force"]) == 3
    assert "--prune" in capsys.readouterr().err
