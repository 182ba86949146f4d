"""YAML text -> a tree in which every value keeps its line and its spelling, and nothing is converted.

The tree is built from PyYAML's node graph (``compose``): loading would turn ``on`` into ``True`` and keep only the
last of two equal keys without a word. All problems are collected; only a syntax error ends the reading, because nothing
after it has a meaning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from dataclasses import field
from typing import Any, TypeAlias

from batch_submit.data_classes import dataclass
from batch_submit.plan.secrets import is_secret
from batch_submit.plan.sourced import Path, Problem
from batch_submit.plan.yaml_scalars import NULLS, is_number, trap

#: Deeper files are nobody's configuration, and libyaml's composer recurses on the C stack.
MAX_DEPTH = 50
#: What aliases may expand to ("billion laughs").
MAX_NODES = 20_000

_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Scalar:
    """One word or text, as it is written. ``quoted`` also stands for block texts (``|``, ``>``) and ``!!str``."""

    text: str
    line: int
    quoted: bool = False

    @property
    def is_null(self) -> bool:
        """Whether this is YAML's null, written out or left empty."""
        return not self.quoted and self.text in NULLS


@dataclass(frozen=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True)
class Mapping:
    """A map with text keys. ``key_lines`` says where each key stands (with ``<<``: in the block that was merged in)."""

    entries: MappingOf[str, Node]
    line: int
    key_lines: MappingOf[str, int] = field(default_factory=dict)


Node: TypeAlias = "Scalar | Sequence | Mapping"


@dataclass(frozen=True)
class YamlTree:
    """A parsed file: its root (an empty map for an empty file) and everything that is wrong with its YAML."""

    name: str
    root: Node
    problems: tuple[Problem, ...] = ()


def parse_yaml(text: str, name: str) -> YamlTree:
    """Read one YAML document.

    Parameters
    ----------
    text
        The whole file.
    name
        How the file is called in messages (``name:line``).

    Returns
    -------
    YamlTree
        Never raises for bad YAML: problems are in the tree.
    """
    # Imported here, so that commands that read no configuration don't pay for it.
    import yaml

    text = text.removeprefix("\ufeff")
    loader_class: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        if _may_be_deep(text) and (line := _too_deep(yaml, loader_class, text)):
            problem = Problem("", f"{name}:{line}", f"nested more than {MAX_DEPTH} levels deep")
            return YamlTree(name, Mapping({}, 1), (problem,))
        loader = loader_class(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        return YamlTree(name, Mapping({}, 1), (_syntax_problem(error, text, name),))
    except (UnicodeError, RecursionError) as error:
        return YamlTree(name, Mapping({}, 1), (Problem("", f"{name}:1", f"not readable as YAML: {error}"),))
    if node is None:
        return YamlTree(name, Mapping({}, 1))
    resolver: Any = yaml.SafeLoader("")
    builder = _Builder(name, lambda word: resolver.resolve(yaml.ScalarNode, word, (True, False)))
    root = builder.build(node, ())
    return YamlTree(name, root, tuple(builder.problems))


class _Builder:
    """Turns PyYAML's nodes into ours, collecting problems on the way."""

    def __init__(self, name: str, implicit_tag: Callable[[str], Any]) -> None:
        self.name = name
        self.problems: list[Problem] = []
        # The tag that PyYAML gives to a plain word; another tag on the node was written there by hand.
        self._implicit_tag = implicit_tag
        self._seen: set[tuple[str, str]] = set()
        self._open: set[int] = set()
        self._count = 0

    def report(self, line: int, path: Path, message: str, hint: str = "") -> None:
        """Note a problem once: an aliased block is walked as often as it is used."""
        problem = Problem(_dotted(path), f"{self.name}:{line}", message, hint)
        if (problem.where, message) not in self._seen:
            self._seen.add((problem.where, message))
            self.problems.append(problem)

    def report_tag(self, line: int, path: Path, tag: str) -> None:
        """Note a tag. To YAML a password that begins with ``!`` is one, so under a secret's key it is not named."""
        if is_secret(_dotted(path)):
            self.report(line, path, "what begins with ! is a tag to YAML, not supported here: write it in quotes")
        else:
            self.report(line, path, f"the tag {tag.replace(_TAG, '!!')} is not supported here: remove it")

    def build(self, node: Any, path: Path) -> Node:
        """One node and everything below it."""
        line = node.start_mark.line + 1
        self._count += 1
        if self._count > MAX_NODES:
            self.report(line, (), f"more than {MAX_NODES} values (aliases count as often as they are used)")
            return Scalar("", line)
        if id(node) in self._open:
            self.report(line, path, "an alias refers to the block that holds it")
            return Scalar("", line)
        self._open.add(id(node))
        try:
            if node.id == "scalar":
                return self._scalar(node, path, line)
            self._check_collection_tag(node, path, line)
            if node.id == "sequence":
                items = [self.build(item, (*path, f"[{index}]")) for index, item in enumerate(node.value)]
                return Sequence(tuple(items), line)
            return self._mapping(node, path, line)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: Any, path: Path, line: int) -> Scalar:
        text: str = node.value
        if node.style:  # the C composer gives '' for a plain word, the Python one None
            if node.tag not in (_TAG + "str", "!"):
                self.report_tag(line, path, node.tag)
            return Scalar(text, line, quoted=True)
        implicit = self._implicit_tag(text)
        if node.tag != implicit:
            if node.tag not in (_TAG + "str", "!"):
                self.report_tag(line, path, node.tag)
            return Scalar(text, line, quoted=True)
        if message := trap(text):
            secret = is_secret(_dotted(path))
            self.report(line, path, "YAML may change this value: write it in quotes" if secret else message)
        return Scalar(text, line)

    def _check_collection_tag(self, node: Any, path: Path, line: int) -> None:
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            self.report_tag(line, path, node.tag)

    def _mapping(self, node: Any, path: Path, line: int) -> Mapping:
        entries: dict[str, Node] = {}
        key_lines: dict[str, int] = {}
        merged: list[Mapping] = []
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if key_node.tag == _TAG + "merge" and not key_node.style:
                merged += self._merged(value_node, path, key_line)
                continue
            key = self._key(key_node, path, key_line)
            if key is None:
                continue
            if key in entries:
                self.report(key_line, (*path, key), f"repeated: the same key already stands on line {key_lines[key]}")
                self.build(value_node, (*path, key))
                continue
            entries[key] = self.build(value_node, (*path, key))
            key_lines[key] = key_line
        for block in merged:
            for key, value in block.entries.items():
                if key not in entries:
                    entries[key], key_lines[key] = value, block.key_lines[key]
        return Mapping(entries, line, key_lines)

    def _key(self, node: Any, path: Path, line: int) -> str | None:
        if node.id == "mapping":
            words = "..." if is_secret(_dotted(path)) else _braced_words(node)
            self.report(line, path, f'an unquoted {{{{ }}}} is a map to YAML: write "{{{{ {words} }}}}" in quotes')
            return None
        if node.id != "scalar":
            self.report(line, path, "a list can't be a key")
            return None
        key: str = node.value
        if not node.style:
            if trap(key) or key in NULLS or is_number(key) or key.lower() in ("true", "false"):
                self.report(line, (*path, key), f'a key must be text: write "{key}" in quotes')
            elif node.tag != self._implicit_tag(key) and node.tag not in (_TAG + "str", "!"):
                self.report_tag(line, (*path, key), node.tag)
        return key

    def _merged(self, node: Any, path: Path, line: int) -> list[Mapping]:
        """The maps that ``<<`` brings in. Earlier ones win over later ones, the block's own keys over all."""
        built = self.build(node, path)
        blocks = list(built.items) if isinstance(built, Sequence) else [built]
        maps = [block for block in blocks if isinstance(block, Mapping)]
        if len(maps) < len(blocks):
            self.report(line, path, "<< takes a map or a list of maps, for example <<: *name")
        return maps


def _dotted(path: Path) -> str:
    return ".".join(path).replace(".[", "[")


def _braced_words(node: Any) -> str:
    """The words inside ``{{ ... }}``, which YAML sees as a map used as a key."""
    words = [key.value for key, _ in node.value if key.id == "scalar"]
    return ", ".join(words) or "..."


def _may_be_deep(text: str) -> bool:
    """A cheap upper bound on the nesting: brackets, indentation, and ``- - -`` on one line."""
    brackets = text.count("[") + text.count("{")
    widest = max((len(line) - len(line.lstrip(" -?:")) for line in text.splitlines()), default=0)
    return brackets + widest > MAX_DEPTH


def _too_deep(yaml_module: Any, loader_class: Any, text: str) -> int:
    """The line on which the nesting passes the bound, 0 when it never does. Events don't recurse; composing does."""
    depth = 0
    for event in yaml_module.parse(text, Loader=loader_class):
        if isinstance(event, yaml_module.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                line: int = event.start_mark.line + 1
                return line
        elif isinstance(event, yaml_module.CollectionEndEvent):
            depth -= 1
    return 0


def _syntax_problem(error: Any, text: str, name: str) -> Problem:
    """One clear sentence for what the parser said, on the line where the fault most likely stands."""
    position = getattr(error, "position", None)
    if isinstance(position, int):
        line = text.encode("utf-8", "replace")[:position].count(b"\n") + 1
        return Problem("", f"{name}:{line}", "a control character that YAML does not allow", "delete it")
    mark = getattr(error, "problem_mark", None)
    # Where a quote or a bracket is never closed, the place where it was opened says more than the end of the file.
    said = f"{getattr(error, 'problem', None) or error}"
    if "end of stream" in said and getattr(error, "context_mark", None) is not None:
        mark = error.context_mark
    line = mark.line + 1 if mark is not None else 1
    if "another document" in said or "document start" in said:
        return Problem(
            "", f"{name}:{line}", "several YAML documents in one file: keep one, delete the line '---' or '...'"
        )
    lines = text.splitlines()
    fault, hint = _likely_fault(lines, line, said)
    said = f"not valid YAML: {said}"
    return Problem("", f"{name}:{fault}", said, hint)


def _likely_fault(lines: list[str], line: int, said: str) -> tuple[int, str]:
    """The line to show and what to write there."""
    here = lines[line - 1] if 0 < line <= len(lines) else ""
    if is_secret(here):
        return line, "put the value in quotes"
    braces = re.compile(r"(?:^|[:\-\[,]\s+|\[)\s*([^\s\"'#\[]*\{\{[^\"'#]*\}\}[^\s,\"'\]#]*)")
    # The parser complains one line late about text after a closing brace.
    for number in (line, line - 1):
        found = braces.search(lines[number - 1]) if 0 < number <= len(lines) else None
        if found:
            return number, f"write {json.dumps(found[1])} in quotes"
    if "undefined alias" in said:
        return line, "define it with &name first, or quote the text if it begins with *"
    indent = here[: len(here) - len(here.lstrip())]
    if "tab" in said or "\t" in indent:
        return line, "indent with blanks, not with tabs"
    start = re.search(r"(?:^|[:\-,\[]\s+)([%@`&*!|>][^\s\"']*)", here)
    if "cannot start any token" in said and start:
        return line, f"write {json.dumps(start[1])} in quotes"
    if "mapping values are not allowed" in said:
        return line, "put text that holds ': ' in quotes, and check the indentation"
    if "unexpected end of stream" in said:
        return line, "a quote is opened here and not closed"
    return line, "check the indentation and the quotes on this line and the one before"
