"""What went wrong with TLS, in our words: from the texts of OpenSSL, which are all that ``ssl`` and ``requests`` share.

Sources: ``x509_txt.c`` (reasons of a failed verification), ``ssl_err.c`` (alerts) of OpenSSL 1.1.1 and 3; that a host
name does not fit is told by OpenSSL since Python 3.7.
"""

from __future__ import annotations

import re

#: The keys that say whom we trust.
TRUST_STEP = (
    "name the certificate of the cluster's CA in security_config.ca_bundle (PEM), or its truststore in "
    "security_config.truststore_path"
)
_CLIENT_STEP = "name ours in security_config.client_certificate and client_key (PEM), by a CA that the server trusts"
_NAME_STEP = "use the name that stands in the certificate as the server's address (yarn-site.xml, environment_config)"

#: Text -> (what, next step). The first that fits counts; ``{0}`` is what the pattern's group found.
_REASONS: tuple[tuple[str, str, str], ...] = (
    (
        r"certificate has expired",
        "the server's certificate has expired",
        "have it renewed by whoever runs the server; check this host's clock (date)",
    ),
    (r"certificate is not yet valid", "the server's certificate is not valid yet", "check this host's clock (date)"),
    (
        r"mismatch, certificate is not valid for '([^']*)'",
        "the server's certificate is not for the name {0}",
        _NAME_STEP,
    ),
    (r"hostname '([^']*)' doesn't match", "the server's certificate is not for the name {0}", _NAME_STEP),
    (
        r"self[- ]signed certificate|unable to get (?:local )?issuer certificate|unable to verify the first",
        "the server's certificate is by a CA that is not trusted here",
        TRUST_STEP,
    ),
    (r"certificate revoked", "the server's certificate is revoked", "ask whoever runs the server for a new one"),
    (r"certificate verify failed", "the server's certificate can't be verified", TRUST_STEP),
    (
        r"certificate required|peer did not return a certificate",
        "the server wants a client certificate",
        _CLIENT_STEP,
    ),
    (
        r"alert bad certificate",  # what Java says to one that it does not like, and to none (JSSE 17)
        "the server wants a client certificate, and got none or one that it does not take",
        _CLIENT_STEP,
    ),
    (
        r"alert (?:unknown ca|certificate (?:unknown|expired|revoked))",
        "the server does not accept our client certificate",
        _CLIENT_STEP,
    ),
    (
        r"wrong version number|http request|record layer failure|packet length too long",
        "the server does not speak TLS on this port",
        "write http:// in its address, or look at yarn.http.policy and dfs.http.policy",
    ),
    (
        r"unsupported protocol|alert protocol version|no protocols available|version too low",
        "the server and this host have no version of TLS in common",
        "raise the server's to TLS 1.2 or newer",
    ),
    (
        r"handshake failure|no shared cipher",
        "the server broke the handshake off",
        "it may want a client certificate (security_config.client_certificate), or ciphers that this host lacks",
    ),
)


def explain(text: str, trust: str = "") -> tuple[str, str]:
    """What went wrong, and what to do next.

    Parameters
    ----------
    text
        Of the exception.
    trust
        Whom we trust, in words; said where that is the matter.
    """
    for pattern, what, step in _REASONS:
        found = re.search(pattern, text.replace("_", " "), re.IGNORECASE)
        if found:
            said = what.format(*found.groups())
            by = f" (trusted: {trust})" if trust and step == TRUST_STEP else ""
            return f"TLS failed: {said}{by}", step
    return "TLS failed", f"{TRUST_STEP}; check that the host name is the certificate's"
