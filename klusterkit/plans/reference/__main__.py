"""Write the reference plans into a folder."""

from __future__ import annotations

import sys
from pathlib import Path

from klusterkit.plans.reference import write

if __name__ == "__main__":
    write(Path(sys.argv[1]))
