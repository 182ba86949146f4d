"""``init-hdfs``, ``gc`` and ``demo-data``."""

from __future__ import annotations

import click

from batch_submit.cli.options import json_option, selection_options, verbose_option
from batch_submit.errors import UsageError
from batch_submit.operations.context import Selection
from batch_submit.operations.init_hdfs import TreeOptions, init_tree, with_ownership
from batch_submit.operations.storage import put_demo_data
from batch_submit.services import build_services


@click.command("init-hdfs", short_help="Make or check the folders under the storage root.")
@click.option("--owner", metavar="USER[:GROUP]", help="Owner and group of the folders; needs HDFS's superuser.")
@click.option("--mode", metavar="OCTAL", help="Mode of the folders: 755, 1777.")
@click.option("--recursive", is_flag=True, help="Owner and mode of everything below the root too.")
@click.option("--check", is_flag=True, help="Report what differs and change nothing; exit code 3 when something does.")
@click.option("--dry-run", is_flag=True, help="Show what would be done; change nothing.")
@click.option(
    "--spark",
    is_flag=False,
    flag_value="",
    metavar="[HOME]",
    help="Instead: put a Spark into HDFS, by default this host's.",
)
@selection_options
@json_option
@verbose_option
def init_hdfs_command(
    owner: str | None,
    mode: str | None,
    recursive: bool,
    check: bool,
    dry_run: bool,
    spark: str | None,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """Make the folders under the storage root; a second time there is nothing to do.

    With --spark: put Spark's jars and Python archives into HDFS once, so that no submit uploads them again, and hosts
    without Spark can submit (execution.launcher: rest).

    \b
    batch-submit init-hdfs --owner ml-pipeline:ml-team --mode 755
    batch-submit init-hdfs --check
    batch-submit init-hdfs --spark
    """
    if spark is not None:
        if owner or mode or recursive:
            raise UsageError(
                "--spark makes no folders: --owner, --mode and --recursive do not go with it",
                next_step="batch-submit init-hdfs --spark",
            )
        from batch_submit.operations.shared_spark import SparkOptions, put_spark

        wanted = SparkOptions(home=spark, check=check, dry_run=dry_run, as_json=as_json)
        return put_spark(build_services(verbose=verbose), chosen, wanted)
    options = TreeOptions(check=check, dry_run=dry_run, recursive=recursive, as_json=as_json)
    return init_tree(build_services(verbose=verbose), with_ownership(chosen, owner, mode), options)


@click.command("demo-data", short_help="Write the flights demo data.")
@click.option("--force", is_flag=True, help="Write it again when it is there.")
@selection_options
@json_option
@verbose_option
def demo_data_command(
    force: bool,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """Write 336,776 flights, their weather and planes as CSV files to data/raw under the storage root.

    \b
    batch-submit demo-data --backend local
    """
    return put_demo_data(build_services(verbose=verbose), chosen, as_json=as_json, force=force)


@click.command("gc", short_help="Delete old records, claims and shared files.")
@click.option("--older-than", default="30d", metavar="T", help="Ended, or unused, for so long (30d); at least 2d.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted; delete nothing.")
@selection_options
@json_option
@verbose_option
def gc_command(
    older_than: str,
    dry_run: bool,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """Delete the records and claims of runs that ended long ago, and what lies unused in the shared folder
    (execution.shared_dir): old packages, old Sparks, broken uploads.

    Never: a run that is not known to have ended; a file that a live application may need, that this version or this
    configuration would use, or that belongs to somebody else.

    \b
    batch-submit gc --dry-run
    batch-submit gc --older-than 90d
    """
    from batch_submit.operations.gc import GcOptions, sweep

    options = GcOptions(older_than=older_than, dry_run=dry_run, as_json=as_json)
    return sweep(build_services(verbose=verbose), chosen, options)
