"""HTTPS through the session of Kerberos clusters, the library for files included; no KDC is asked."""

from __future__ import annotations

from contextlib import closing

import pytest

from batch_submit.adapters.http_reply import TlsFailed
from batch_submit.adapters.negotiate import KerberosSession
from batch_submit.adapters.tls import Tls
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.errors import ClusterUnreachable
from tests.kerberos_here import skip_without_kerberos
from tests.process.canned_webhdfs import CannedWebHdfs
from tests.process.tls_front import GOLDEN, TlsFront


def test_files_over_https_a_wrong_ca_and_a_way_to_plain_http(
    webhdfs: CannedWebHdfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without_kerberos()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent.pem")
    trusting, wrong = Tls(str(GOLDEN / "ca.pem")), Tls(str(GOLDEN / "other-ca.pem"))
    with TlsFront(webhdfs.port) as front, closing(KerberosSession(trusting, env={})) as session:
        webhdfs.seen_as = front.url
        client = WebHdfs([front.url], session, user="alice", kerberos=True, tls=trusting, timeout_s=5)
        client.write_bytes("/user/alice/a", b"xyz")
        assert client.read_bytes("/user/alice/a", 3) == b"xyz"
        with closing(KerberosSession(wrong, env={})) as other:
            stranger = WebHdfs([front.url], other, user="alice", kerberos=True, tls=wrong, timeout_s=5)
            with pytest.raises(TlsFailed, match="by a CA that is not trusted here"):
                stranger.mkdirs("/user/alice/b")
        webhdfs.seen_as = ""
        with pytest.raises(ClusterUnreachable, match="sends us on to plain HTTP"):
            client.write_bytes("/user/alice/c", b"xyz")
