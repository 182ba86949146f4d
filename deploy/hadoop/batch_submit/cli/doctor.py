"""``doctor``."""

from __future__ import annotations

from typing import Any

import click

from batch_submit.cli.options import backend_option, config_options, duration_s, insecure, json_option
from batch_submit.cli.submit import typed_job_type
from batch_submit.operations.context import Selection
from batch_submit.operations.doctor import DoctorOptions, doctor
from batch_submit.services import build_services

#: Flag -> its place in the configuration, as in ``submit``.
_VALUE_FLAGS = {
    "queue": (("spark_config", "queue"), "--queue"),
    "executor_memory": (("spark_config", "executor_memory"), "--executor-memory"),
    "executor_cores": (("spark_config", "executor_cores"), "--executor-cores"),
    "driver_memory": (("spark_config", "driver_memory"), "--driver-memory"),
    "driver_cores": (("spark_config", "driver_cores"), "--driver-cores"),
    "backend": (("execution", "backend"), "--backend"),
}


@click.command("doctor", short_help="Every problem of host and cluster at once.")
@click.option("-t", "--type", "type_name", metavar="TYPE", help="Look with the section of this job type.")
@click.option("-q", "--queue", metavar="QUEUE", help="YARN queue that is looked at.")
@click.option("--executor-memory", metavar="M", help="Heap of an executor, with unit: 8g.")
@click.option("--executor-cores", metavar="N", help="Cores of an executor.")
@click.option("--driver-memory", metavar="M", help="Heap of the driver, with unit: 4g.")
@click.option("--driver-cores", metavar="N", help="Cores of the driver.")
@click.option("--deep", is_flag=True, help="Run a tiny application that asks the nodes for Python and numpy.")
@click.option("--timeout", metavar="T", default="3m", help="Kill the application of --deep after T; default 3m.")
@config_options
@backend_option
@json_option
def doctor_command(**typed: Any) -> int:
    """Look at this host, the configuration, YARN, HDFS and the history servers; exit 3 when something is red.

    \b
    batch-submit doctor
    batch-submit doctor -q ml-queue --executor-memory 32g
    batch-submit doctor --deep
    """
    flags: dict[tuple[str, ...], tuple[object, str]] = {
        path: (typed[name], flag) for name, (path, flag) in _VALUE_FLAGS.items() if typed[name] is not None
    }
    timeout_s = duration_s("--timeout", typed["timeout"])
    job = typed_job_type(typed["type_name"]) if typed["type_name"] is not None else None
    options = DoctorOptions(typed["as_json"], typed["deep"], timeout_s)
    chosen = Selection(typed["config_file"], typed["env"], typed["profile"], job, flags, insecure(typed["env"]))
    return doctor(build_services(), chosen, options)
