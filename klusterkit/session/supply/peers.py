"""What hosts of a run know each other by, when they give each other artifacts."""

from __future__ import annotations

import base64
import secrets

from klusterkit.session.hold import Hold
from klusterkit.tasks.peers import SECRET


def ensure_peer_secret(hold: Hold) -> None:
    """Have what hosts know each other by. State files from before there were peers have none."""
    if SECRET not in hold.snapshot.secrets:
        value = base64.b64encode(secrets.token_bytes(32))
        hold.state.fold(hold.state.with_secret(hold.snapshot, SECRET, value))
