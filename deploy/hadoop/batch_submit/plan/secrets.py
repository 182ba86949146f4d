"""Which values must never be shown, and what stands in their place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

#: Spark's ``spark.redaction.regex`` (default of Spark 4), and ``passphrase``.
SENSITIVE_WORDS = r"(?:secret|password|passwd|passphrase|token|access[.]?key|credential)"
#: How names of secrets end, of arguments, variables and in JSON: ``db-password``, ``hf_token``, ``API_KEY``,
#: ``PGPASS``; not ``max_tokens``, ``tokenizer``, ``password_file``, ``PWD``, which are everyday names that hold none.
SENSITIVE_END = (
    r"(?:secret|password|passwd|passphrase|token|credentials?|(?:access|secret|api|private)[._-]?key|[._-]pwd"
    r"|(?:azure|storage)[._-]?account[._-]?key|access[._-]?key[._-]?id|(?:db|pg|sql|user|admin|store)[._-]?pass)"
)
#: The name of a secret's key as a whole: looked at from its beginning alone, and passed over once for each way to tell.
#: Were its parts left to find each other, a long word would take a time that grows with the square of its length.
SECRET_KEY = rf"(?<![\w.\-])(?:(?=[\w.\-]*?{SENSITIVE_WORDS})[\w.\-]+|[\w.\-]*?{SENSITIVE_END})(?![\w.\-])"
#: ``Authorization: Bearer ``, as HTTP has it.
AUTHORIZED = r"""\bauthorization\\?["']?[ \t]*[=:][ \t]*\\?["']?(?:bearer|basic|negotiate|digest|token)[ \t]+"""
_SECRET = re.compile(f"(?i){SENSITIVE_WORDS}")
#: What Hadoop hides besides (``hadoop.security.sensitive-config-keys``, core-default.xml of 3.5.0), and the same of a
#: single bucket; not ``fs.azure.account.keyprovider``, which is a class.
_HADOOPS = re.compile(
    r"ssl\.keystore\.pass$|fs\.s3a\.(?:.*\.)?(?:server-side-encryption\.key|encryption\.(?:algorithm|key|context)|session\.key)"
    r"|fs\.azure\.(?:account\.key(?:\.|$)|oauth2\.)|fs\.adl\.oauth2\.|fs\.gs\.(?:encryption|proxy|auth)\."
)
_SECRET_NAME = re.compile(rf"(?i)[\w.:\-]*{SENSITIVE_END}")
#: A variable that Spark sets for its processes: its own name tells what it holds.
_VARIABLE = re.compile(r"\bspark\.(?:yarn\.appMasterEnv|executorEnv)\.(.+)", re.DOTALL)

#: What Spark prints in the place of a secret (source: ``Utils.REDACTION_REPLACEMENT_TEXT``).
MASK = "*********(redacted)"

# A secret in a longer text: ``-Djavax.net.ssl.keyStorePassword=x``, ``"password": "x"``, also within a JSON text, and
# the password of ``https://user:x@host``.
_KEY = rf"""(?<![\w.\-])(?:(?=[\w.\-]*?{SENSITIVE_WORDS})[\w.\-]+|[\w.\-]*?{SENSITIVE_END}\\?["']?)(?![\w.\-])"""
_ASSIGNED = rf"""{_KEY}\s*[=:]\s*"""
_VALUE = r"""(?:\\"(?:(?!\\").)*\\"|"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;]+)"""
# What YARN fills in on the node is a place or a name, not a secret: ``-Dmy.pwd={{PWD}}/x``.
_FILLED_IN = r"""(?:\{\{\w+\}\}|<LOG_DIR>)(?=[/\s"',;]|$)"""
_ASSIGNMENT = re.compile(rf"(?i)({_ASSIGNED})(?!(?:null|true|false)\s*[,}}\]]|{_FILLED_IN}){_VALUE}")
_AUTHORIZATION = re.compile(rf"""(?i)({AUTHORIZED})[^\s"',]+""")
#: ``scheme://user:password@host``; of the scheme only the end is looked at, as it could be a part of a long word.
USERINFO = re.compile(r"((?<=[a-zA-Z0-9+.\-])://[^/\s:@]*:)[^/\s@]+(?=@)")
#: ``jdbc:oracle:thin:scott/tiger@//host:1521/service``; without a user nothing stands before ``@``. All up to there is
#: taken at once, with a password in it or not.
_ORACLE = re.compile(r"(?i)(\bjdbc:oracle:\w+:)([^\s@]+)(@?)")
#: A private key as PEM or for OpenSSH, whole or cut off.
PRIVATE_KEY = re.compile(
    r"(-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----)(?:(?!-----END).)*(-----END [A-Z0-9 ]*-----)?",
    re.DOTALL,
)


def mask_oracle(text: str, mask: str) -> str:
    """The text with ``mask`` in the place of passwords in addresses of Oracle's databases."""

    def masked(found: re.Match[str]) -> str:
        user, slash, password = found[2].partition("/")
        return f"{found[1]}{user}/{mask}@" if slash and password and found[3] else found[0]

    return _ORACLE.sub(masked, text)


def is_secret(key: str) -> bool:
    """Whether a value under this key must be masked. Matches anywhere in the key, as Spark's and Hadoop's own do; a
    variable of Spark's processes (``spark.executorEnv.API_KEY``) also by :func:`is_secret_name`."""
    if _SECRET.search(key) is not None or _HADOOPS.search(key) is not None:
        return True
    variable = _VARIABLE.search(key)
    return variable is not None and is_secret_name(variable[1])


def is_secret_name(name: str) -> bool:
    """Whether an argument, a variable or a key in JSON of this name holds a secret: told by how the name ends."""
    return _SECRET_NAME.fullmatch(name) is not None


def mask(key: str, value: object, told: Callable[[str], bool] = lambda key: False) -> object:
    """The value as it may be shown: secrets replaced, everything else as it is.

    Parameters
    ----------
    key
        The full key. When it is a secret's, the whole value is replaced.
    value
        Text, number, list or map. Maps are masked by their own keys too; texts lose passwords written inside them
        (``-Dsome.password=...``, ``https://user:...@host``, ``jdbc:oracle:thin:user/...@host``) and private keys.
    told
        Which further keys are a secret's: :func:`batch_submit.plan.redaction.told_by`.
    """
    if value is None:
        return None
    if is_secret(key) or told(key):
        return MASK
    if isinstance(value, str):
        masked = _AUTHORIZATION.sub(lambda match: match[1] + MASK, value)
        masked = _ASSIGNMENT.sub(lambda match: match[1] + MASK, masked)
        for whole in (PRIVATE_KEY, USERINFO):
            masked = whole.sub(lambda match: match[1] + MASK, masked)
        return mask_oracle(masked, MASK)
    if isinstance(value, Mapping):
        return {name: mask(str(name), item, told) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask("", item, told) for item in value]
    return value


def holds_secret(key: str, value: object) -> bool:
    """Whether a property must not be shown: by its key, or because a secret stands inside its value."""
    return is_secret(key) or mask(key, value) != (list(value) if isinstance(value, tuple) else value)


def holds_password(value: object) -> bool:
    """Whether an address somewhere in a value, a list or a map names a password (``//user:password@host``), or a
    private key stands there."""
    if isinstance(value, str):
        return any(pattern.search(value) for pattern in (USERINFO, PRIVATE_KEY)) or mask_oracle(value, "") != value
    if isinstance(value, Mapping):
        return any(holds_password(item) for item in value.values())
    return isinstance(value, (list, tuple)) and any(holds_password(item) for item in value)


def mask_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """A command line as it may be recorded, without what follows ``--password``, ``password=`` or ``//user:``."""
    out: list[str] = []
    secret_follows = False
    for argument in arguments:
        name, assigned, _ = argument.partition("=")
        if secret_follows and not argument.startswith("--"):
            out.append(MASK)
        elif assigned and name.startswith("-") and (is_secret(name) or is_secret_name(name)):
            out.append(f"{name}={MASK}")
        else:
            out.append(str(mask("", argument)))
        secret_follows = name.startswith("-") and not assigned and (is_secret(name) or is_secret_name(name))
    return tuple(out)
