"""A host without Kerberos skips what needs it, and CI fails: a skip there would be a proof that was never made."""

from __future__ import annotations

import pytest

from tests import kerberos_here


@pytest.mark.parametrize(("required", "ends"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_what_is_missing_skips_here_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, required: str, ends: type[Exception]
) -> None:
    monkeypatch.setenv("REQUIRE_CLUSTER", required)
    monkeypatch.setattr(kerberos_here, "find_spec", lambda _: None)
    monkeypatch.setattr(kerberos_here, "PATH", "/nowhere")
    with pytest.raises(ends, match=r"no krb5kdc, .*, kinit, klist, requests-kerberos: make kerberos"):
        kerberos_here.skip_without_kerberos()


def test_a_host_that_has_all_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kerberos_here, "find_spec", lambda name: name)
    monkeypatch.setattr(kerberos_here, "_PROGRAMS", ())
    kerberos_here.skip_without_kerberos()
