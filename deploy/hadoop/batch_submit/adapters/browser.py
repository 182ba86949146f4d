"""The browser of whoever sits at this host, if anybody does."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

#: One of these says that a browser can show itself; ``BROWSER`` also where an editor passes pages on to a laptop.
VARIABLES = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")


def has_display(env: Mapping[str, str]) -> bool:
    """Whether a browser could be seen: a text browser would take the terminal over, and is not started."""
    return sys.platform == "darwin" or any(env.get(name) for name in VARIABLES)


def open_page(path: Path) -> bool:
    """Open a local page; ``False`` when there is no browser. What a browser says goes to stderr: stdout is ours."""
    import webbrowser

    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        return webbrowser.open(path.as_uri())
    except (OSError, webbrowser.Error):
        return False
    finally:
        os.dup2(kept, 1)
        os.close(kept)
