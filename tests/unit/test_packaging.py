"""What an installation holds."""

from __future__ import annotations

import configparser
from pathlib import Path

REPO = Path(__file__).parents[2]


def test_every_package_of_the_tree_is_installed() -> None:
    """A package that is missing in the list works in a checkout and nowhere else."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(REPO / "setup.cfg", encoding="utf-8")
    listed = set(setup["options"]["packages"].split())
    there = set()
    for root in (REPO / "deploy" / "hadoop", REPO):
        for top in ("batch_submit", "ml_pipeline_framework"):
            there |= {".".join(one.parent.relative_to(root).parts) for one in (root / top).rglob("__init__.py")}
    assert there and there <= listed, sorted(there - listed)
