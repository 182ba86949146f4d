"""Whether this host can hold a Kerberos realm: asked by all tests that need one, in one way."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import pytest

#: Where Debian puts the KDC's programs, which is not on the path of ordinary users.
PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
_PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit", "klist")


def skip_without_kerberos() -> None:
    """Skip with what is missing and what brings it; with REQUIRE_CLUSTER=1, as in CI, that is a failure."""
    missing = [name for name in _PROGRAMS if shutil.which(name, path=PATH) is None]
    missing += [] if find_spec("requests_kerberos") else ["requests-kerberos"]
    if not missing:
        return
    what = f"no {', '.join(missing)}: make kerberos"
    if os.environ.get("REQUIRE_CLUSTER") == "1":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)
