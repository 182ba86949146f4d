"""What the shipped package may bring along, and where its rooms may reach."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import ml_pipeline_framework

PACKAGE = Path(ml_pipeline_framework.__file__).parent
FORBIDDEN = {"batch_submit", "requests", "hdfs", "click", "yaml"}


def modules_after(statement: str, *path: str) -> set[str]:
    """The modules that a fresh interpreter holds after a statement, without those of its start."""
    program = (
        f"import sys; sys.path[:0] = {list(path)!r}; before = set(sys.modules); {statement}; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-S", "-E", "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_contract_brings_only_the_standard_library_and_itself():
    found = modules_after("import ml_pipeline_framework.contract", str(PACKAGE.parent))
    own = {name for name in found if name.split(".")[0] == "ml_pipeline_framework"}
    assert {name.split(".")[0] for name in found - own} <= set(sys.stdlib_module_names)
    assert {name.split(".")[1] for name in own if "." in name} == {"contract"}


def test_the_contract_can_be_imported_out_of_a_zip(tmp_path):
    archive = tmp_path / "ml_pipeline_framework.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in PACKAGE.rglob("*.py"):
            packed.write(file, file.relative_to(PACKAGE.parent))
    assert "ml_pipeline_framework.contract" in modules_after("import ml_pipeline_framework.contract", str(archive))


def test_importing_the_package_needs_no_spark():
    assert not {name for name in modules_after("import ml_pipeline_framework", str(PACKAGE.parent)) if "spark" in name}


def test_the_orchestrator_is_exported_and_other_names_are_not():
    assert ml_pipeline_framework.PipelineOrchestrator.__name__ == "PipelineOrchestrator"
    assert not hasattr(ml_pipeline_framework, "Pipeline")


def test_no_module_imports_the_edge_or_reads_package_data():
    for file in PACKAGE.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
                assert not FORBIDDEN & {name.split(".")[0] for name in names}, file
            assert not (isinstance(node, ast.Name) and node.id == "__file__"), file


def test_the_orchestrator_runs_its_stages_in_order():
    ticks = iter(range(100))
    said = []
    pipeline = ml_pipeline_framework.PipelineOrchestrator(
        load=lambda spark: said.append(spark) or [1, 2],
        process=lambda rows: sum(rows),
        save=said.append,
        clock=lambda: float(next(ticks)),
    )
    assert pipeline.run("a session") == 3
    assert said == ["a session", 3]
    assert pipeline.seconds == {"load": 1.0, "process": 1.0, "save": 1.0}
