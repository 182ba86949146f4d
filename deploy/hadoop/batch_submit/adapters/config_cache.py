"""Configurations, kept between calls: a file whose name is a hash of all that it was made from.

Nothing is ever out of date in it: another text, variable, flag or release of this program is another name. A cache that
can't be read or written costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from batch_submit.adapters.own_files import own_folder, write_whole
from batch_submit.plan.merged import Config
from batch_submit.plan.reading import from_text, to_text
from batch_submit.plan.sourced import ConfigSources, SourceText
from batch_submit.plan.sourced import Path as Place

_Kind = TypeVar("_Kind", bound=Config)
_VARIABLE_PREFIX = "BATCH_SUBMIT_"  # as in plan.layers, which is too heavy to load for a name
#: Files beyond this number are taken for leftovers of texts that have changed since.
_MAX_FILES = 64


def cache_key(
    sources: ConfigSources,
    *,
    job_type: str | None,
    env: str | None,
    profile: str | None,
    variables: Mapping[str, str],
    flags: Mapping[Place, tuple[object, str]],
) -> str:
    """A name for everything that :func:`batch_submit.plan.config.build_config` looks at, the program included."""
    texts = [_parts(sources.main), _parts(sources.overlay), _parts(sources.spark_defaults)]
    material = [
        _program(),
        texts,
        sources.overlay_place,
        sources.disk_environments,
        [job_type, env, profile],
        sorted((name, value) for name, value in variables.items() if name.startswith(_VARIABLE_PREFIX)),
        sorted((list(place), repr(value), flag) for place, (value, flag) in flags.items()),
    ]
    # surrogatepass: variables and names may hold bytes that are no UTF-8, and they come here as surrogates.
    return hashlib.sha256(json.dumps(material).encode(errors="surrogatepass")).hexdigest()


def _parts(source: SourceText | None) -> list[str] | None:
    return None if source is None else [source.text, source.name, source.folder]


def _program() -> list[tuple[str, int, int]]:
    """What tells this program's rules from another release's: its files that make a configuration."""
    here = Path(__file__).resolve().parents[1]
    contract = here.parent / "ml_pipeline_framework", here.parents[2] / "ml_pipeline_framework"
    found = []
    for folder in (here / "plan", *(one / "contract" for one in contract)):
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    status = entry.stat()
                    found.append((entry.name, status.st_size, status.st_mtime_ns))
    return sorted(found)


def load(folder: Path, key: str, kind: type[_Kind]) -> _Kind | None:
    """What is kept under a key; ``None`` when there is nothing usable."""
    try:
        return from_text((folder / f"{key}.json").read_text(encoding="utf-8"), kind)
    except (OSError, ValueError):
        return None


def save(folder: Path, key: str, config: Config) -> None:
    """Keep a configuration, whole or not at all, readable by its owner only."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: text that is no UTF-8
        own_folder(folder)
        write_whole(folder / f"{key}.json", to_text(config).encode())
        _drop_oldest(folder)


def _drop_oldest(folder: Path) -> None:
    kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in kept[_MAX_FILES:]:
        path.unlink(missing_ok=True)
