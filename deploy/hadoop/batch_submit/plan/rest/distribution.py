"""What must be known of a Spark to start its application master, and where its Python and jars come from."""

from __future__ import annotations

from batch_submit.data_classes import dataclass


@dataclass(frozen=True)
class SparkFacts:
    """A Spark, as its distribution or the manifest beside its archive in HDFS tells it.

    Parameters
    ----------
    version
        Such as ``4.3.0``.
    module_options
        ``JavaModuleOptions.defaultModuleOptions()`` of that version: what its classes need opened in Java 17 and later.
    python_zips
        ``pyspark.zip`` and ``py4j-…-src.zip``: local paths, or URIs of the cluster's file system with the name that
        the file has in containers behind a ``#``.
    """

    version: str
    module_options: tuple[str, ...]
    python_zips: tuple[str, ...]

    @property
    def generation(self) -> tuple[int, int]:
        """Major and minor version, for the rules that changed between releases."""
        numbers = [int("".join(filter(str.isdecimal, part)) or 0) for part in self.version.split(".")[:2]]
        return numbers[0], numbers[1] if len(numbers) > 1 else 0
