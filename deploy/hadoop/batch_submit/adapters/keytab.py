"""A login by keytab: no ``kinit``, no ticket cache, and a new ticket for every server that asks.

``requests_kerberos`` hands what it is given as principal to pyspnego, which takes an object that names a keytab too. It
gets a ticket into memory whenever a server wants a token: so a long wait outlives the life of any ticket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batch_submit.errors import HostNotReady

if TYPE_CHECKING:
    from batch_submit.adapters.auth import KeytabLogin


def keytab_identity(login: KeytabLogin) -> Any:
    """Return what ``HTTPKerberosAuth`` takes as principal, once the KDC has given a ticket for it.

    Raises
    ------
    HostNotReady
        In the words of the Kerberos library: no such file, no key for the principal in it, no KDC, an old key. The
        server's answer to a request without a ticket would be a bare 401.
    ImportError
        The packages are missing.
    """
    import krb5  # type: ignore[import-not-found,unused-ignore]
    import spnego  # type: ignore[import-not-found,unused-ignore]

    try:
        context = krb5.init_context()
        principal = krb5.parse_name_flags(context, login.principal.encode())
        options = krb5.get_init_creds_opt_alloc(context)
        keytab = krb5.kt_resolve(context, f"FILE:{login.keytab}".encode())
        krb5.get_init_creds_keytab(context, principal, options, keytab=keytab)
    except krb5.Krb5Error as error:
        raise HostNotReady(
            f"the login as {login.principal} failed",
            where=login.keytab,
            details=(str(error),),
            next_step=f"klist -kt {login.keytab}   (it has to hold the principal; the host's clock, krb5.conf)",
        ) from error
    return spnego.KerberosKeytab(keytab=f"FILE:{login.keytab}", principal=login.principal)
