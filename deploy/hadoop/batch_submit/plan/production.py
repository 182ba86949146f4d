"""Which ``--env`` names mean the real thing, where what is merely convenient is refused: one rule for all who ask."""

from __future__ import annotations

import re

#: A name that is one of these, or begins so before something that is no letter: ``prod``, ``PROD``, ``prod-eu``.
PRODUCTION = ("prod", "production", "prd")


def is_production(env: str | None) -> bool:
    """Whether an ``--env`` is one of production; ``None`` (none was given) is not."""
    return re.split(r"[^a-z]", (env or "").lower(), maxsplit=1)[0] in PRODUCTION
