"""``python -m bench.onerun FOLDER``: one run of KlusterKit's side, which begins as its programs do."""

from __future__ import annotations

import sys
from pathlib import Path

from klusterkit import lean


def main() -> int:
    """0 if the run came to its end."""
    lean.begin()
    from bench.ours import run

    return run(Path(sys.argv[1]))


if __name__ == "__main__":
    sys.exit(main())
