"""Whether a keytab logs us in, where the cluster wants Kerberos: without one the user's own ticket counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from batch_submit.data_classes import dataclass
from batch_submit.errors import UsageError
from batch_submit.plan.sourced import Path, Sourced

if TYPE_CHECKING:
    from batch_submit.plan.merged import Config

_SECTION = "security_config"
_SWITCH = (_SECTION, "enable_kerberos")
_KEYS = ("principal", "keytab")
_KEYTAB = (_SECTION, "keytab")


@dataclass(frozen=True)
class KeytabLogin:
    """A login that the configuration asks for.

    Parameters
    ----------
    principal, keytab
        With their origins; the keytab from the folder of the file that names it.
    because
        What asks for it, for ``--verbose``.
    """

    principal: Sourced
    keytab: Sourced
    because: str


def switched_off(values: Mapping[Path, Sourced], rank: Callable[[Path], int]) -> tuple[bool, str]:
    """Whether ``enable_kerberos: false`` counts where principal or keytab are given.

    Parameters
    ----------
    values
        The merged configuration.
    rank
        The number of the layer that has set a value; later layers win.

    Returns
    -------
    tuple
        ``False`` where principal or keytab stand in a later layer: whoever gives them there means them; and a warning,
        or "".
    """
    given = {key: found for key in _KEYS if (found := values.get((_SECTION, key))) is not None and found.value}
    said = values.get(_SWITCH)
    if not given or said is None or said.value is not False:
        return True, ""
    if rank(_SWITCH) < max(rank((_SECTION, key)) for key in given):
        return False, ""
    told = " and ".join(f"{_SECTION}.{key} ({one.origin})" for key, one in given.items())
    told += " are not used" if len(given) > 1 else " is not used"
    return True, f"{said.origin}: {_SECTION}.enable_kerberos: false switches the login off: {told}"


def keytab_login(config: Config) -> KeytabLogin | None:
    """The login by a keytab that a cluster with Kerberos gets; ``None``: the user's own ticket counts.

    A principal alone says nothing yet: the keytab may be typed (``submit --keytab``) where it is needed.

    Raises
    ------
    UsageError
        A keytab without a principal: nobody knows which of its keys is meant.
    """
    switch, principal, keytab = config.get(_SWITCH), config.get((_SECTION, "principal")), config.get(_KEYTAB)
    if (switch is not None and switch.value is False) or keytab is None or not keytab.value:
        return None
    if principal is None or not principal.value:
        raise UsageError(
            f"{_SECTION}.keytab needs {_SECTION}.principal too",
            where=keytab.origin,
            next_step=f"add principal: to {_SECTION} (submit: --principal)",
        )
    because = f"{_SECTION}.principal ({principal.origin}) and {_SECTION}.keytab ({keytab.origin})"
    return KeytabLogin(
        Sourced(str(principal.value), principal.origin),
        Sourced(config.local_path(_KEYTAB), keytab.origin),
        switch.origin if switch is not None and switch.value is True else because,
    )
