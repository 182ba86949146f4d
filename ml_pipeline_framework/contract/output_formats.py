"""In which formats results are written, and with which codecs each of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ml_pipeline_framework.contract.problems import nearest

#: Format to its codecs, as Spark's writers call them; the first is the default. Left out are those that need a native
#: library on the nodes (lzo, brotli; for text also zstd, snappy and lz4, which few other programs read).
CODECS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "parquet": ("zstd", "snappy", "gzip", "lz4", "none"),
        "orc": ("zstd", "snappy", "zlib", "lz4", "none"),
        "csv": ("gzip", "bzip2", "deflate", "none"),
        "json": ("gzip", "bzip2", "deflate", "none"),
    }
)


def format_problem(name: str) -> str:
    """Check of a parameter that names a format; "" when it is one."""
    return "" if name.lower() in CODECS else f"{name!r} is not a format of results ({nearest(name, CODECS)})"


def codec_problem(format: str, codec: str) -> str:
    """Say what is wrong with a codec for a format; "" when nothing is."""
    if codec in CODECS[format]:
        return ""
    others = [name for name, codecs in CODECS.items() if codec in codecs]
    elsewhere = f"; {codec} is for {' and '.join(others)}" if others else ""
    return f"{codec!r} is not a codec for {format} (use {', '.join(CODECS[format])}{elsewhere})"


def codec_or_default(format: str, codec: str) -> str:
    """Return the codec, or the format's own when none was chosen."""
    return codec or CODECS[format][0]
