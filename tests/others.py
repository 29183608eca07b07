"""What tests need that become somebody else than root."""

from __future__ import annotations

import tempfile
from pathlib import Path


def let_others_in(folder: Path) -> None:
    """Open the way to a folder, from which pytest keeps others out: those above it, up to the system's temporary folder."""
    end = Path(tempfile.gettempdir()).resolve()
    for place in (folder, *folder.parents):
        if place.resolve() == end or not place.resolve().is_relative_to(end):
            break
        place.chmod(0o755)
