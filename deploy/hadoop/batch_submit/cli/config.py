"""``config show`` and ``config check``."""

from __future__ import annotations

import click

from batch_submit.cli.options import json_option, which_config_options
from batch_submit.cli.submit import typed_job_type
from batch_submit.operations.config_view import check_config, show_config
from batch_submit.operations.context import Selection
from batch_submit.services import build_services

_TYPE = click.option("-t", "--type", "type_name", metavar="TYPE", help="With the section of this job type.")


@click.group("config", short_help="The merged configuration, and its problems.")
def config_group() -> None:
    """Show or check the configuration; needs no cluster."""


@config_group.command("show", short_help="What results from all layers.")
@_TYPE
@click.option("--origin", is_flag=True, help="Per value: file and line, variable or flag.")
@which_config_options
@json_option
def show_command(
    type_name: str | None,
    origin: bool,
    config_file: str | None,
    env: str | None,
    profile: str | None,
    as_json: bool,
) -> int:
    """Print the merged configuration.

    \b
    batch-submit config show -t training --origin
    """
    job = typed_job_type(type_name) if type_name is not None else None
    chosen = Selection(config_file, env, profile, job)
    return show_config(build_services(), chosen, origin=origin, as_json=as_json)


@config_group.command("check", short_help="Every problem at once.")
@_TYPE
@which_config_options
@json_option
def check_command(
    type_name: str | None,
    config_file: str | None,
    env: str | None,
    profile: str | None,
    as_json: bool,
) -> int:
    """Report every problem of the configuration at once; exit 2 when there is one.

    \b
    batch-submit config check -t training
    """
    job = typed_job_type(type_name) if type_name is not None else None
    chosen = Selection(config_file, env, profile, job)
    return check_config(build_services(), chosen, as_json=as_json)
