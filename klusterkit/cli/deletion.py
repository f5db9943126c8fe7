"""What ``delete machine``, ``delete cluster`` and their plans are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from klusterkit.cli.completing import machines
from klusterkit.cli.durations import seconds
from klusterkit.cli.options import Common
from klusterkit.cli.planned import PlanOptions, do, show


@dataclass(frozen=True)
class EndOptions:
    """How a machine is left, and what confirms that a cluster ends."""

    gone: Annotated[
        bool, typer.Option("--gone", help="Machines that don't answer are gone for good: nothing is done on them")
    ] = False
    confirm: Annotated[
        str | None, typer.Option("--confirm", metavar="CLUSTER", help="The cluster's name, where the cluster ends")
    ] = None
    keep_images: Annotated[
        bool, typer.Option("--keep-images", help="Leave what was uploaded on the hosts, images included, for next time")
    ] = False

    def wanted(self) -> dict[str, Any]:
        """The fields of the session's request."""
        return {"gone": self.gone, "confirm": self.confirm, "keep_uploads": self.keep_images}


@dataclass(frozen=True)
class PodsLeave:
    """How pods leave a node that goes."""

    drain_timeout: Annotated[
        str, typer.Option("--drain-timeout", metavar="TIME", help="For all pods of a node; 0 sets no limit")
    ] = "5m"
    drain_grace_period: Annotated[
        int, typer.Option("--drain-grace-period", metavar="SECONDS", help="Of each pod; -1 is what it says itself")
    ] = -1
    drain_force: Annotated[
        bool, typer.Option("--drain-force", help="Delete pods, too, that nothing makes anew elsewhere")
    ] = False
    drain_delete_local_data: Annotated[
        bool, typer.Option("--drain-delete-local-data", help="Delete pods, too, that keep data in an emptyDir")
    ] = False
    skip_drain: Annotated[
        bool, typer.Option("--skip-drain", "--skip-drain-delete", help="Let pods end with their host")
    ] = False

    def wanted(self) -> dict[str, Any]:
        """The fields of the session's request."""
        drain = {
            "skip": self.skip_drain,
            "within": seconds("--drain-timeout", self.drain_timeout) or None,
            "force": self.drain_force,
            "local_data": self.drain_delete_local_data,
            "grace": None if self.drain_grace_period < 0 else self.drain_grace_period,
        }
        return {"drain": drain}


@dataclass(frozen=True)
class Draining(PodsLeave):
    """How pods leave the nodes that go."""

    at_once: Annotated[
        int | None, typer.Option("--at-once", min=1, metavar="N", help="Nodes that are drained at once [all]")
    ] = None

    def wanted(self) -> dict[str, Any]:
        """The fields of the session's request."""
        return {"drain": {**super().wanted()["drain"], "at_once": self.at_once}}


@dataclass(frozen=True)
class LeavingMachines:
    """The machines that leave."""

    machine: Annotated[
        list[str] | None,
        typer.Argument(metavar="MACHINE", help="By name, address or node", show_default=False, autocompletion=machines),
    ] = None
    ip: Annotated[
        list[str] | None, typer.Option("--ip", metavar="ADDRESS", help="Address of a machine; several: --ip A --ip B")
    ] = None
    force: Annotated[bool, typer.Option("--force", help="See --gone, --drain-force and --skip-drain", hidden=True)] = (
        False
    )

    def wanted(self) -> dict[str, Any]:
        """The fields of the session's request."""
        machines = tuple(dict.fromkeys((*(self.machine or ()), *(self.ip or ()))))
        if not machines:
            raise typer.BadParameter("name the machines that leave, or give their addresses: --ip 10.0.0.5")
        if self.force:
            raise typer.BadParameter(
                "--force says too much: --gone is for a machine that never comes back, --drain-force for pods that "
                "nothing makes anew, --skip-drain for none that are moved"
            )
        return {"machines": machines}


Group = LeavingMachines | Draining | EndOptions


def delete(common: Common, words: str, *groups: Group) -> int:
    """Plan, ask, apply."""
    wanted = _wanted(groups)
    return do(common, common.settings(), words, lambda session, _: session.plan_delete(**wanted))


def plan_delete(common: Common, words: str, options: PlanOptions, *groups: Group) -> int:
    """Plan, look, show, save."""
    wanted = _wanted(groups)
    return show(common, common.settings(), words, lambda session, _: session.plan_delete(**wanted), options)


def _wanted(groups: tuple[Group, ...]) -> dict[str, Any]:
    return {name: value for group in groups for name, value in group.wanted().items()}
