"""Moments as texts and back, without the calendar module that ``datetime.strptime`` needs at its first call."""

from __future__ import annotations

from datetime import datetime, timezone


def utc_text(milliseconds: int) -> str:
    """Milliseconds since the epoch as records write it: ``2026-01-31T12:00:00Z``; "" for none."""
    if milliseconds <= 0:
        return ""
    return datetime.fromtimestamp(milliseconds // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_ms(text: str) -> int:
    """What :func:`utc_text` wrote, as milliseconds since the epoch; 0 for anything else."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return 0
    return int(moment.timestamp() * 1000) if moment.tzinfo is not None else 0
