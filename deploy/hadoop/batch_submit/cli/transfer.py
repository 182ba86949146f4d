"""``upload`` and ``download``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from batch_submit.cli.options import backend_option, config_options, json_option, verbose_option, with_selection
from batch_submit.operations.context import Selection
from batch_submit.operations.transfer import TransferOptions, download, upload
from batch_submit.services import build_services

Function = TypeVar("Function", bound=Callable[..., Any])


def _transfer_options(function: Function) -> Function:
    for option in (
        click.option("--dry-run", is_flag=True, help="Show what would be copied and skipped; change nothing."),
        click.option("--no-verify", is_flag=True, help="Check the length of each copy, not its content."),
        click.option("--overwrite", is_flag=True, help="Replace files that differ."),
    ):
        function = option(function)
    return verbose_option(json_option(backend_option(config_options(with_selection(function)))))


@click.command("upload", short_help="Copy a file or folder into the storage.")
@click.argument("local", metavar="LOCAL")
@click.argument("dest", metavar="DEST")
@_transfer_options
def upload_command(local: str, dest: str, chosen: Selection, **typed: Any) -> int:
    """Copy a local file or folder to DEST; what is there and identical is skipped.

    DEST is the full new name; one that ends in / is the folder to put it into. Relative ones lie under storage_root.

    \b
    batch-submit upload flights.parquet data/training/
    batch-submit upload conf/ configs/2026-11
    """
    services = build_services(verbose=typed["verbose"])
    return upload(services, chosen, local, dest, _options(typed))


@click.command("download", short_help="Copy a file or folder out of the storage.")
@click.argument("source", metavar="SRC")
@click.argument("local", metavar="LOCAL")
@_transfer_options
def download_command(source: str, local: str, chosen: Selection, **typed: Any) -> int:
    """Copy a file or folder of the storage to this host; what is here and identical is skipped.

    LOCAL is the full new name; one that ends in / (and . too) is the folder to put it into.

    \b
    batch-submit download models/arrival-delay .
    """
    services = build_services(verbose=typed["verbose"])
    return download(services, chosen, source, local, _options(typed))


def _options(typed: dict[str, Any]) -> TransferOptions:
    return TransferOptions(
        overwrite=typed["overwrite"],
        verify=not typed["no_verify"],
        dry_run=typed["dry_run"],
        as_json=typed["as_json"],
    )
