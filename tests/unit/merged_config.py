"""Configurations merged from texts, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from batch_submit.errors import ConfigError, ExitCode
from batch_submit.plan.config import Config, ConfigSources, Path, SourceText, build_config


def build(
    main: str = "",
    *,
    overlay: str | None = None,
    site: str | None = None,
    job_type: str | None = "training",
    env: str | None = None,
    profile: str | None = None,
    variables: Mapping[str, str] | None = None,
    flags: Mapping[Path, tuple[object, str]] | None = None,
) -> Config:
    sources = ConfigSources(
        SourceText(main, "c.yaml", "/conf"),
        None if overlay is None else SourceText(overlay, "c_prod.yaml", "/over"),
        None if site is None else SourceText(site, "spark-defaults.conf"),
        overlay_place="c_prod.yaml",
    )
    return build_config(
        sources=sources, job_type=job_type, env=env, profile=profile, variables=variables or {}, flags=flags or {}
    )


def problems(main: str = "", **options: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build(main, **options)  # type: ignore[arg-type]
    assert caught.value.exit_code is ExitCode.USAGE
    return list(caught.value.details)
