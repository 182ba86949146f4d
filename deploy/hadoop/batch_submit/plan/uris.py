"""Places in a cluster's file system as the Java programs there read them: percent-encoded URIs, decoded once.

Hadoop takes the URL of a local resource as a ``java.net.URI``, and Spark's application master parses every entry of its
cache file as one: a blank or a bracket that is not encoded throws, and ``%20`` becomes a blank.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from batch_submit.errors import UsageError
from batch_submit.plan.storage import has_scheme, hdfs_path

#: What ``java.net.URI`` leaves alone in a path and in a fragment besides letters and digits (RFC 2396); the percent
#: sign is not among them. A comma would split Spark's lists.
_IN_PATH = "/;:@&=+$-_.!~*'()"
_IN_FRAGMENT = _IN_PATH + "?[]"


def quoted_path(path: str) -> str:
    """Percent-encode a path; letters beyond ASCII stay, as Java leaves them."""
    return _quoted(path, _IN_PATH)


def quoted_fragment(name: str) -> str:
    """Percent-encode what stands behind ``#``."""
    return _quoted(name, _IN_FRAGMENT)


def _quoted(text: str, safe: str) -> str:
    return "".join(
        char if char.isprintable() and not char.isascii() else quote(char, safe=safe, errors="surrogateescape")
        for char in text
    )


def decoded(uri: str) -> str:
    """A URI's text with what it encodes, once; what is no encoding stays."""
    return unquote(uri)


def cluster_path(uri: str, default_fs: str) -> str:
    """The path that WebHDFS knows a URI of the cluster's file system by.

    Parameters
    ----------
    uri
        ``hdfs://host[:port]/…``, ``hdfs:///…``, ``hdfs:/…``; percent-encoded.
    default_fs
        The file system that WebHDFS speaks for.

    Raises
    ------
    UsageError
        It lies elsewhere, or holds ``..``.
    """
    return hdfs_path(decoded(uri), default_fs)


def lies_there(uri: str, default_fs: str) -> bool:
    """Whether `cluster_path` takes a URI; a path without a scheme does not count."""
    try:
        return has_scheme(uri) and bool(cluster_path(uri, default_fs))
    except UsageError:
        return False
