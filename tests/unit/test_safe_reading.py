"""Ways to read that hand control to what is read are used nowhere in the tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = [
    path
    for folder in ("deploy", "ml_pipeline_framework", "scripts", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
#: Calls by their last names: each builds objects, runs code, a shell, or unpacks names that lead out of a folder.
FORBIDDEN = {
    "yaml": {"load", "load_all", "full_load", "unsafe_load", "Loader", "FullLoader", "UnsafeLoader"},
    "os": {"system", "popen"},
    "tempfile": {"mktemp"},
}
#: Whatever they are called on.
UNPACKING = {"extractall", "unpack_archive"}
FUNCTIONS = {"eval", "exec", "unpack_archive"}
MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}


def found_in(text: str) -> Iterator[str]:
    """What is forbidden in a module's text."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in FORBIDDEN.get(owner, set()) | UNPACKING:
                yield f"line {node.lineno}: {owner}.{node.attr}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
            yield f"line {node.lineno}: {node.func.id}"
        if isinstance(node, ast.keyword) and node.arg == "shell" and ast.unparse(node.value) != "False":
            yield f"line {node.value.lineno}: shell="
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            if names & MODULES:
                yield f"line {node.lineno}: {names}"


def test_nothing_that_is_read_is_run() -> None:
    assert len(CODE) > 300
    found = {str(path.relative_to(ROOT)): list(found_in(path.read_text(encoding="utf-8"))) for path in CODE}
    assert {path: what for path, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "text",
    [
        "yaml.load(x)",
        "yaml.load(x, Loader=yaml.FullLoader)",
        "eval(x)",
        "archive.extractall(x)",
        "tarfile.open(x).extractall()",
        "subprocess.run(x, shell=True)",
        "import pickle",
        "os.system(x)",
        "tempfile.mktemp()",
    ],
)
def test_it_would_be_seen(text: str) -> None:
    assert list(found_in(text))
