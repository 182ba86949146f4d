"""What OpenSSL says, in our words. The texts are those of Python 3.11 with OpenSSL 3 and of urllib3 2.8, as seen."""

from __future__ import annotations

import pytest

from batch_submit.adapters.tls_errors import explain
from batch_submit.adapters.webhdfs_errors import unreachable
from batch_submit.errors import ClusterUnreachable

VERIFY = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"


@pytest.mark.parametrize(
    ("text", "what", "step"),
    [
        (f"{VERIFY}: certificate has expired (_ssl.c:1006)", "has expired", "renewed"),
        (f"{VERIFY}: certificate is not yet valid (_ssl.c:1006)", "not valid yet", "clock"),
        (
            f"{VERIFY}: IP address mismatch, certificate is not valid for '127.0.0.1'. (_ssl.c:1006)",
            "is not for the name 127.0.0.1",
            "the name that stands in the certificate",
        ),
        (f"{VERIFY}: Hostname mismatch, certificate is not valid for 'rm.x'.", "is not for the name rm.x", "the name"),
        ("SSLError(CertificateError(\"hostname 'a' doesn't match 'b'\"))", "is not for the name a", "the name"),
        (f"{VERIFY}: self-signed certificate in certificate chain", "by a CA that is not trusted here", "ca_bundle"),
        (f"{VERIFY}: self signed certificate", "by a CA that is not trusted here", "truststore_path"),
        (f"{VERIFY}: unable to get local issuer certificate (_ssl.c:1006)", "by a CA that is not trusted", "ca_bundle"),
        (f"{VERIFY}: unsuitable certificate purpose", "can't be verified", "ca_bundle"),
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required", "wants a client", "client_key"),
        ("[SSL: SSLV3_ALERT_BAD_CERTIFICATE] sslv3 alert bad certificate", "wants a client", "client_key"),
        ("[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca", "does not accept our", "client_certificate"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "does not speak TLS", "http://"),
        ("[SSL: RECORD_LAYER_FAILURE] record layer failure", "does not speak TLS", "yarn.http.policy"),
        ("[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version", "no version of TLS", "TLS 1.2"),
        ("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure", "broke the handshake off", "client"),
        ("EOF occurred in violation of protocol (_ssl.c:1006)", "TLS failed", "ca_bundle"),
    ],
)
def test_what_and_what_next(text: str, what: str, step: str) -> None:
    said, next_step = explain(text)
    assert said.startswith("TLS failed") and what in said and step in next_step


def test_whom_we_trust_is_said_where_that_is_the_matter() -> None:
    assert "(trusted: /etc/ca.pem)" in explain(f"{VERIFY}: self-signed certificate", "/etc/ca.pem")[0]
    assert "/etc/ca.pem" not in explain(f"{VERIFY}: certificate has expired", "/etc/ca.pem")[0]


def test_a_namenode_whose_tls_failed_is_not_looked_for_at_another_address() -> None:
    failed = ClusterUnreachable("TLS failed: the server wants a client certificate", next_step="name ours")
    assert unreachable("/a", ["https://nn:9871: TLS failed"], failed).next_step == "name ours"
    refused = ClusterUnreachable("no connection", next_step="look")
    assert "check the NameNode's address" in unreachable("/a", ["https://nn:9871: no connection"], refused).next_step
