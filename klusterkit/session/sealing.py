"""Who opens the state file: recipients are listed, added and removed, and all is sealed anew."""

from __future__ import annotations

from typing import Any

from klusterkit.session.hold import Hold, keys_of
from klusterkit.state import passphrase_at_hand


def sealing_of(hold: Hold) -> dict[str, Any]:
    """``mode`` (sealed or plaintext), the ``recipients``, and whether a ``passphrase`` opens the file, too."""
    encryption = hold.snapshot.encryption
    return {
        "mode": encryption.mode,
        "recipients": list(encryption.recipients),
        "passphrase": len(encryption.recipients) < len(encryption.wraps),
    }


def add_recipient(hold: Hold, public_key: str) -> None:
    """Let one more age identity open the file."""
    hold.refuse_run_in_progress()
    hold.state.add_recipient(public_key)


def remove_recipient(hold: Hold, public_key: str) -> None:
    """Let an age identity open the file no longer: every secret is sealed anew, under a new data key."""
    hold.refuse_run_in_progress()
    hold.state.remove_recipient(public_key, passphrase_at_hand(hold.settings.ask_passphrase))


def rekey(hold: Hold) -> None:
    """Seal every secret anew, for the key at hand (or a new passphrase) and for the recipients that there are."""
    hold.refuse_run_in_progress()
    hold.state.rekey(keys_of(hold.settings), hold.snapshot.encryption.recipients)
    hold.notice(*hold.state.notices)
