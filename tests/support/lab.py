"""The lab as tests use it: an instance of their own, whose hosts are gone when the tests are."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

LAB = str(Path(__file__).parents[2] / "lab" / "lab")


@dataclass
class Lab:
    """An instance of the lab with hosts of its own."""

    instance: str

    def __call__(self, *arguments: str, check: bool = True, stdin: str | None = None) -> str:
        """Run a command of the lab; returns what it printed."""
        command = [LAB, "--instance", self.instance, *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, input=stdin)
        assert not check or ended.returncode == 0, f"{command}: {ended.stderr}"
        return ended.stdout

    @property
    def env(self) -> dict[str, str]:
        """What ``lab env`` says."""
        lines = self("env").splitlines()
        return dict(line.removeprefix("export ").split("=", 1) for line in lines)

    def address(self, host: str) -> str:
        """The address of a host."""
        return self.env[f"LAB_HOST_{host}"]

    def sent_to_hosts(self) -> int:
        """Bytes that this machine has sent to hosts so far, by its interface: not what hosts send each other."""
        gateway = self.env["LAB_GATEWAY"]
        rows = json.loads(subprocess.run(["ip", "-json", "address"], capture_output=True, check=True).stdout)
        own = {row["ifname"]: [each.get("local") for each in row["addr_info"]] for row in rows}
        interface = next(name for name, addresses in own.items() if gateway in addresses)
        return int(Path(f"/sys/class/net/{interface}/statistics/tx_bytes").read_text())

    def listing(self, host: str, *without: str) -> set[str]:
        """Every path of a host as a line, but for those at or below what is to be left out."""
        left_out = [word for path in without for word in ("--without", path)]
        lines = self("digest", host, "--listing", *left_out).splitlines()
        return {line for line in lines if not line.startswith("digest ")}

    def digest(self, host: str) -> set[str]:
        """Every path of a host as a line, without KlusterKit's own folder."""
        return self.listing(host, "/var/lib/klusterkit")
