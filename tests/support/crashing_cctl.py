"""cctl that ends itself with SIGKILL right after its Nth record of the journal: ``crashing_cctl.py N ARGUMENT…``.

The product has no such switch. What is patched is the one place where records become durable, so that the crash comes
exactly between a record and whatever would follow it: of several that are written together, the first ones are there.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from klusterkit.cli.cctl import main
from klusterkit.state import StateFile

left = int(sys.argv.pop(1))
append = StateFile.append


def append_then_die(self: StateFile, *records: Any) -> None:
    """Append as ever; after the Nth record, be gone before anybody hears of it."""
    global left
    append(self, *records[:left])
    left -= len(records)
    if left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)


StateFile.append = append_then_die  # type: ignore[method-assign]
sys.argv[0] = "cctl"
main()
