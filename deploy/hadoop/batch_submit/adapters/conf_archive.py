"""``__spark_conf__.zip``: the Hadoop configuration of this host and the properties of one application."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from batch_submit.errors import HostNotReady

#: The names that ``Client.createConfArchive`` looks for (4.3.0).
_FOR_CONTAINERS = (
    *(f"log4j2.{ending}" for ending in ("yaml", "yml", "json", "jsn", "xml", "properties")),
    "metrics.properties",
)


def conf_archive(folders: Sequence[str], texts: Mapping[str, str], spark_folder: str = "") -> bytes:
    """Return the archive.

    Parameters
    ----------
    folders
        Hadoop's configuration folders; the first one that holds a name gives its file, as on a class path. Folders
        inside and what can't be read are left out, as Spark does.
    texts
        Name in the archive to content: the properties.
    spark_folder
        Spark's own configuration; its files for logging and metrics go with the application (``Client.scala``,
        ``createConfArchive``).

    Raises
    ------
    HostNotReady
        A folder can't be read.
    """
    files: dict[str, Path] = {}
    for folder in folders:
        try:
            for one in sorted(Path(folder).iterdir()):
                if one.is_file():
                    files.setdefault(one.name, one)
        except OSError as error:
            raise HostNotReady(
                f"the Hadoop configuration can't be read: {error.strerror or error}",
                where=folder,
                next_step="check HADOOP_CONF_DIR and YARN_CONF_DIR",
            ) from error
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, path in files.items():
            try:
                archive.writestr(f"__hadoop_conf__/{name}", path.read_bytes())
            except PermissionError:
                continue  # not for us to read, and so not for our containers: Spark's client leaves it out too
        for name in _FOR_CONTAINERS if spark_folder else ():
            with contextlib.suppress(OSError):  # there is none, or it is not for us to read: Spark has its defaults
                archive.writestr(name, Path(spark_folder, name).read_bytes())
        for name, text in texts.items():
            archive.writestr(name, text)
    return held.getvalue()
