"""``init-hdfs`` and ``demo-data``."""

from __future__ import annotations

import click

from batch_submit.cli.options import backend_option, config_options, json_option, selection, verbose_option
from batch_submit.errors import UsageError
from batch_submit.operations.storage import put_demo_data, put_spark_archive
from batch_submit.services import build_services


@click.command("init-hdfs", short_help="Put Spark's jars into HDFS once.")
@click.option("--spark", is_flag=True, help="Upload the jars of this host's Spark as one archive.")
@config_options
@json_option
@verbose_option
def init_hdfs_command(
    spark: bool,
    config_file: str | None,
    env: str | None,
    profile: str | None,
    as_json: bool,
    format_name: str,
    verbose: bool,
) -> int:
    """Put Spark's jars into HDFS once, so that no submit uploads them again.

    \b
    batch-submit init-hdfs --spark
    """
    if not spark:
        raise UsageError("init-hdfs does one thing so far: --spark", next_step="batch-submit init-hdfs --spark")
    chosen = selection(config_file, env, profile, None)
    return put_spark_archive(build_services(verbose=verbose), chosen, as_json=as_json or format_name == "json")


@click.command("demo-data", short_help="Write the flights demo data.")
@click.option("--force", is_flag=True, help="Write it again when it is there.")
@config_options
@backend_option
@json_option
@verbose_option
def demo_data_command(
    force: bool,
    config_file: str | None,
    env: str | None,
    profile: str | None,
    backend: str | None,
    as_json: bool,
    format_name: str,
    verbose: bool,
) -> int:
    """Write 336,776 flights as Parquet to data_config.training_data_path under the storage root.

    \b
    batch-submit demo-data --backend local
    """
    chosen = selection(config_file, env, profile, backend)
    return put_demo_data(build_services(verbose=verbose), chosen, as_json=as_json or format_name == "json", force=force)
