"""``urls``: where to look in a browser and in HDFS, by the configuration files and by what the servers say."""

from __future__ import annotations

import json

from batch_submit.adapters.addresses import override_addresses
from batch_submit.backends.yarn import YarnBackend
from batch_submit.errors import BatchSubmitError, ExitCode, NotFound, UsageError
from batch_submit.model import APPLICATION_ID, ApplicationReport
from batch_submit.operations.context import Context, Selection, open_backend, open_context
from batch_submit.operations.targets import resolve_in
from batch_submit.render.tables import aligned
from batch_submit.services import Services


def show_urls(services: Services, selection: Selection, text: str, *, as_json: bool) -> int:
    """Show the cluster's addresses, and with an id, run id or name those of one application.

    Raises
    ------
    UsageError
        On backend ``local``, which has none.
    """
    context = open_context(services, selection, reading=True)
    backend = open_backend(context)
    if not isinstance(backend, YarnBackend):
        raise UsageError("backend local has no servers", next_step="batch-submit logs ID shows what a driver wrote")
    found = _of_cluster(services, context, backend)
    if text:
        target = resolve_in(services, context, backend, text)
        found |= _of_application(services, context, backend, target.application_id)
    if as_json:
        services.terminal.answer(json.dumps(found))
    else:
        services.terminal.answer("\n".join(aligned([(key.replace("_", " "), url) for key, url in found.items()])))
    return ExitCode.SUCCEEDED


def _of_cluster(services: Services, context: Context, backend: YarnBackend) -> dict[str, str]:
    conf = backend.servers.conf
    named = override_addresses(context.config, conf)
    try:
        manager = backend.servers.resource_manager.active_url()
    except BatchSubmitError as error:
        services.terminal.warn(f"{error.message}; showing the configured addresses")
        manager = named.resource_managers[0]
    found = {"resource_manager": f"{manager}/cluster"}
    others = [url for url in named.resource_managers if url != manager]
    found |= {f"resource_manager_{number}": f"{url}/cluster" for number, url in enumerate(others, start=2)}
    for number, url in enumerate(named.name_nodes, start=1):
        found["name_node" if number == 1 else f"name_node_{number}"] = url
    if conf.history_server_url:
        found["job_history_server"] = f"{conf.history_server_url}/jobhistory"
    history = _spark_history(context, backend)
    if history:
        found["spark_history_server"] = history
    return found


def _spark_history(context: Context, backend: YarnBackend) -> str:
    address = context.config.text("spark.yarn.historyServer.address")
    if not address:
        return ""
    from batch_submit.adapters.spark_history import history_url

    return history_url(address, backend.servers.conf)


def _of_application(services: Services, context: Context, backend: YarnBackend, application_id: str) -> dict[str, str]:
    report = None
    try:
        report = backend.report(application_id)
    except NotFound as error:
        services.terminal.warn(f"{error.message}: only the addresses that an id alone tells")
    except BatchSubmitError as error:
        services.terminal.warn(error.message)
    found = {}
    if report is not None:
        found["application"] = f"{backend.hints(application_id).get('page', '')}"
        if report.tracking_url and report.tracking_url != "N/A":
            found["spark_ui" if report.tracking_ui == "ApplicationMaster" else "tracking"] = report.tracking_url
        if report.am_container_logs:
            found["driver_logs"] = report.am_container_logs
    history = _spark_history(context, backend)
    if history:
        found["spark_history"] = f"{history}/history/{application_id}/"
    folder = _log_folder(backend, report, application_id)
    if folder:
        found["aggregated_logs"] = folder
    return {key: url for key, url in found.items() if url}


def _log_folder(backend: YarnBackend, report: ApplicationReport | None, application_id: str) -> str:
    """Where the application's logs are brought together after its end; "" where the site does not do that."""
    conf = backend.servers.conf
    if not conf.log_aggregation_enabled or not APPLICATION_ID.fullmatch(application_id):
        return ""
    from batch_submit.adapters.aggregated_logs.layout import folders

    owner = report.user if report is not None and report.user else backend.user
    try:
        places = folders(application_id, owner, conf.remote_log_dirs(), backend.servers.default_fs)
    except (BatchSubmitError, ValueError):
        return ""
    path = places[0] if places else ""
    return path if "://" in path or not path else f"{backend.servers.default_fs.rstrip('/')}{path}"
