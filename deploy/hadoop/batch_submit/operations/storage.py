"""Putting things under the storage root: the demo data."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from batch_submit.adapters.flights import TABLES, write_table
from batch_submit.adapters.terminal import Terminal
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.connecting import connect
from batch_submit.errors import ExitCode, HostNotReady
from batch_submit.operations.context import Context, Selection, open_context
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.storage import hdfs_path, local_path, qualify, storage_root
from batch_submit.services import Services

#: Where the demo's raw tables lie under the storage root; the shipped ``data_processing`` section reads them there.
RAW_DATA = "data/raw"


def put_demo_data(services: Services, selection: Selection, *, as_json: bool, force: bool) -> int:
    """Write the raw tables of the demo under the storage root; what is there is kept."""
    context = open_context(services, selection)
    root = storage_root(context.config, context.choice.backend, config_folder=context.config_folder)
    folder = qualify(RAW_DATA, root=root, backend=context.choice.backend)
    if context.choice.backend == LOCAL:
        rows = _put_local(services.terminal, Path(local_path(folder)), force=force)
    else:
        webhdfs, default_fs = _webhdfs(context)
        rows = _put_hdfs(services, webhdfs, hdfs_path(folder, default_fs), force=force)
    if as_json:
        files = [
            {"path": f"{folder}/{table}.csv", "rows": count, "written": count is not None}
            for table, count in rows.items()
        ]
        services.terminal.answer(json.dumps({"path": folder, "files": files}))
    else:
        services.terminal.answer(folder)
    return ExitCode.SUCCEEDED


def _put_local(terminal: Terminal, folder: Path, *, force: bool) -> dict[str, int | None]:
    """Return the rows written per table; None for one that was there already."""
    written: dict[str, int | None] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table in TABLES:
            target = folder / f"{table}.csv"
            if target.exists() and not force:
                _is_there(terminal, str(target))
                written[table] = None
                continue
            with tempfile.TemporaryDirectory(prefix=".demo-data-", dir=folder) as temporary:
                waiting = Path(temporary, target.name)
                written[table] = _wrote(terminal, table, write_table(table, waiting))
                waiting.replace(target)
    except OSError as error:
        raise HostNotReady(
            f"the demo data can't be written: {error.strerror or error}",
            where=str(folder),
            next_step="set storage_root to a folder that is writable",
        ) from error
    return written


def _put_hdfs(services: Services, webhdfs: WebHdfs, folder: str, *, force: bool) -> dict[str, int | None]:
    written: dict[str, int | None] = {}
    webhdfs.mkdirs(folder)
    for table in TABLES:
        target = f"{folder}/{table}.csv"
        if webhdfs.exists(target) and not force:
            _is_there(services.terminal, target)
            written[table] = None
            continue
        with tempfile.TemporaryDirectory(prefix="demo-data-") as temporary:
            waiting = Path(temporary, f"{table}.csv")
            rows = write_table(table, waiting)
            webhdfs.upload(waiting, target, overwrite=force)
        written[table] = _wrote(services.terminal, table, rows)
    return written


def _is_there(terminal: Terminal, target: str) -> None:
    terminal.note(f"{target} is there already; --force writes it again")


def _wrote(terminal: Terminal, table: str, rows: int) -> int:
    terminal.note(f"wrote {rows:,} rows of {table}")
    return rows


def _webhdfs(context: Context) -> tuple[WebHdfs, str]:
    """The NameNodes, and the default filesystem whose paths they know."""
    cluster = connect(context.services, context.config, context.choice, insecure=context.selection.insecure)
    if cluster.webhdfs is None:
        raise HostNotReady(
            "the configuration names no NameNode web address",
            next_step="add dfs.namenode.http-address to hdfs-site.xml",
        )
    return cluster.webhdfs, cluster.default_fs
