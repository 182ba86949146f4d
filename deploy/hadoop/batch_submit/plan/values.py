"""Check one written value against its key's type. Nothing is converted that the user did not write so."""

from __future__ import annotations

import re
from collections.abc import Callable

from batch_submit.plan.schema import did_you_mean
from batch_submit.plan.schema_types import Key, Kind
from batch_submit.plan.secrets import is_secret, mask, mask_arguments
from batch_submit.plan.units import UnitError, parse_duration_s, spark_memory
from batch_submit.plan.yaml_scalars import FALSES, TRUES, is_number, plain_value, trap
from batch_submit.plan.yaml_tree import Mapping, Node, Scalar, Sequence, parse_yaml

LIST_KINDS = frozenset({Kind.LOCAL_PATHS, Kind.TEXTS, Kind.URLS})

_ADDRESS = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.\-]*)://)?([A-Za-z0-9._\-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(/\S*)?"
)
#: What the addresses of a cluster may start with; anything else would be dropped in silence further on.
_SCHEMES = {
    "namenode_url": ("hdfs", "http", "https"),
    "resourcemanager_url": ("http", "https"),
    "resourcemanager_webapp_url": ("http", "https"),
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class BadValue(ValueError):
    """A value that does not fit its key."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def check(key: Key, node: Node) -> object:
    """The value of a key, from what is written.

    Returns
    -------
    object
        ``int`` for counts and cores, ``bool``, ``float`` for numbers, text for memory (``8g``), durations (``1h30m``),
        paths and the rest, a tuple of texts for lists, plain values for ``ANY``.

    Raises
    ------
    BadValue
        With what was expected and, where one is near, the right word.
    """
    if key.kind is Kind.ANY:
        return plain(node)
    if key.kind in LIST_KINDS:
        return tuple(scalar.text for scalar in list_items(key, node))
    return _CHECKS[key.kind](key, scalar_of(key, node))


def scalar_of(key: Key, node: Node) -> Scalar:
    """The node as one word; a list or a map in its place is a problem."""
    if isinstance(node, Scalar):
        return node
    found = "a list" if isinstance(node, Sequence) else "a map"
    if key.kind is Kind.CONF_VALUE and isinstance(node, Sequence):
        raise BadValue("a Spark property takes one text, not a list", 'write one text with commas: "a,b"')
    if key.kind is Kind.CONF_VALUE:
        raise BadValue("a Spark property takes one text, not a map", "write its full name, dotted, on one line")
    raise BadValue(f"expected {key.kind.value}, found {found}")


def list_items(key: Key, node: Node) -> list[Scalar]:
    """The items of a list of texts. A null is passed on; whether it may stand there is the caller's to say."""
    if isinstance(node, Scalar) and key.kind is Kind.URLS:
        node = Sequence((node,), node.line)
    if isinstance(node, Scalar):
        shown = mask_arguments(node.text.split(" "))  # as blanks part an argument's name from its secret
        raise BadValue(f"expected {key.kind.value}, found one word", f"write [{mask('', ' '.join(shown))}]")
    if isinstance(node, Mapping):
        raise BadValue(f"expected {key.kind.value}, found a map")
    items = []
    for index, item in enumerate(node.items):
        if not isinstance(item, Scalar):
            raise BadValue(f"expected {key.kind.value}, found a list or a map inside it")
        if not item.is_null:
            if key.kind is not Kind.TEXTS:  # an argument may be empty, and may hold line breaks
                _url(key, item) if key.kind is Kind.URLS else _any_text(key, item)
        elif index > 0 or key.kind is not Kind.LOCAL_PATHS:
            raise BadValue("null may only be the first item of a list that appends", "remove it")
        items.append(item)
    return items


def plain(node: Node) -> object:
    """Any YAML value as plain Python: words typed by YAML 1.2's core rules."""
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    if isinstance(node, Mapping):
        return {name: plain(value) for name, value in node.entries.items()}
    if node.quoted:
        return node.text
    if node.line == 0 and (message := trap(node.text)):  # a variable or flag: the YAML reader has not seen it
        raise BadValue(message)
    try:
        return plain_value(node.text)
    except ValueError as error:
        raise BadValue(str(error)) from None


def node_of(key: Key, value: object) -> Node:
    """What a variable or a flag says, as if it stood in a file: ``a,b`` is a list where a list is expected.

    Raises
    ------
    BadValue
        For ``[...]`` or ``{...}`` that is not YAML.
    """
    if isinstance(value, bool):
        return Scalar("true" if value else "false", 0)
    if isinstance(value, dict):
        return Mapping({str(name): node_of(key, item) for name, item in value.items()}, 0)
    if isinstance(value, (list, tuple)):
        return Sequence(tuple(_item(item) for item in value), 0)
    text = str(value)
    if text.lstrip()[:1] in ("[", "{", '"') and (key.kind is Kind.ANY or key.kind in LIST_KINDS):
        tree = parse_yaml(text, "value")
        if tree.problems:
            raise BadValue(tree.problems[0].message, tree.problems[0].hint)
        return tree.root
    if key.kind in LIST_KINDS:
        return Sequence(tuple(_item(part.strip()) for part in text.split(",")), 0)
    return Scalar(text, 0)


def _item(value: object) -> Scalar:
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return Scalar(text, 0, quoted=text == "")


def _shown(key: Key, scalar: Scalar) -> str:
    """The value as messages may show it."""
    if key.kind is Kind.SECRET or is_secret(key.dotted):
        return "this value"
    text = str(mask(key.dotted, scalar.text))
    text = text if len(text) <= 60 else text[:57] + "..."
    return f'the text "{text}"' if scalar.quoted else text or "nothing"


def _wrong(key: Key, scalar: Scalar, hint: str = "") -> BadValue:
    return BadValue(f"expected {key.kind.value}, found {_shown(key, scalar)}", hint)


def _count(key: Key, scalar: Scalar) -> int:
    text = scalar.text
    if re.fullmatch(r"\+?[0-9]{1,9}", text) and int(text) > 0:
        if scalar.quoted:
            raise _wrong(key, scalar, "remove the quotes")
        if text.lstrip("+") != str(int(text)):
            raise _wrong(key, scalar, f"write {int(text)}")
        return int(text)
    number = re.match(r"[0-9]{1,9}", text)
    raise _wrong(key, scalar, f"did you mean {int(number[0])}?" if number and int(number[0]) else "")


def _whole(key: Key, scalar: Scalar) -> int:
    return 0 if scalar.text == "0" and not scalar.quoted else _count(key, scalar)


def _memory(key: Key, scalar: Scalar) -> str:
    try:
        return spark_memory(scalar.text)
    except UnitError as error:
        raise BadValue(str(error)) from None


def _duration(key: Key, scalar: Scalar) -> str:
    try:
        parse_duration_s(scalar.text)
    except UnitError as error:
        raise BadValue(str(error)) from None
    return re.sub(r"\s", "", scalar.text).lower()


def _boolean(key: Key, scalar: Scalar) -> bool:
    if scalar.quoted:
        word = scalar.text.lower()
        hint = "remove the quotes" if word in ("true", "false") else _boolean_hint(word)
        raise _wrong(key, scalar, hint)
    if scalar.text in TRUES | FALSES:
        return scalar.text in TRUES
    raise _wrong(key, scalar, _boolean_hint(scalar.text.lower()))


def _boolean_hint(word: str) -> str:
    if word in ("yes", "on", "1", "y", "no", "off", "0", "n"):
        return f"did you mean {'true' if word in ('yes', 'on', '1', 'y') else 'false'}?"
    return did_you_mean(word, ("true", "false"))


def _any_text(key: Key, scalar: Scalar) -> str:
    if _CONTROL.search(scalar.text):
        raise BadValue("holds a line break or another control character", "write it on one line")
    if not scalar.text.strip():
        raise BadValue("is empty", "write a value, or null to remove one")
    return scalar.text


def _text(key: Key, scalar: Scalar) -> str:
    if not scalar.quoted and scalar.line and scalar.text in TRUES | FALSES:
        word = "it" if key.kind is Kind.SECRET else f'"{scalar.text}"'
        raise _wrong(key, scalar, f"write {word} in quotes if the text is meant")
    return _any_text(key, scalar)


def _enum(key: Key, scalar: Scalar) -> str:
    if scalar.text in key.choices:
        return scalar.text
    hint = did_you_mean(scalar.text, key.choices) or "known: " + ", ".join(key.choices)
    raise BadValue(f"{_shown(key, scalar)} is not one of: {', '.join(key.choices)}", hint)


def _number(key: Key, scalar: Scalar) -> float:
    if scalar.quoted or not is_number(scalar.text):
        raise _wrong(key, scalar, "remove the quotes" if is_number(scalar.text) else "")
    return float(scalar.text)


def _url(key: Key, scalar: Scalar) -> str:
    text = _any_text(key, scalar)
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise _wrong(key, scalar)
    if match[3] and not 0 < int(match[3]) < 65536:
        raise BadValue(f"{match[3]} is not a port (1 to 65535)")
    if key.path[-1] == "namenode_url" and not match[1]:
        raise _wrong(key, scalar, f"did you mean 'hdfs://{text}'?")
    schemes = _SCHEMES.get(key.path[-1], ())
    if match[1] and schemes and match[1].lower() not in schemes:
        raise BadValue(f"{match[1]}:// is not one of: {', '.join(f'{scheme}://' for scheme in schemes)}")
    return text


def _conf_value(key: Key, scalar: Scalar) -> str:
    if not scalar.quoted and scalar.text in TRUES | FALSES:
        return scalar.text.lower()  # Spark's word for a boolean
    return scalar.text


_CHECKS: dict[Kind, Callable[[Key, Scalar], object]] = {
    Kind.COUNT: _count,
    Kind.WHOLE: _whole,
    Kind.CORES: _count,
    Kind.MEMORY: _memory,
    Kind.DURATION: _duration,
    Kind.BOOLEAN: _boolean,
    Kind.TEXT: _text,
    Kind.SECRET: _text,
    Kind.ENUM: _enum,
    Kind.NUMBER: _number,
    Kind.LOCAL_PATH: _text,
    Kind.URL: _url,
    Kind.DATA_PATH: _text,
    Kind.CONF_VALUE: _conf_value,
}
