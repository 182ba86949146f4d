"""The package that travels to the cluster: Spark jobs, and the contract that describes them.

Importing it costs nothing and needs no Spark: the edge host imports ``ml_pipeline_framework.contract`` on machines that
have neither. What needs Spark is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_pipeline_framework.orchestrator import PipelineOrchestrator

    __version__: str

__all__ = ["PipelineOrchestrator", "__version__"]


def __getattr__(name: str) -> Any:
    """Import ``PipelineOrchestrator``, or look the version up, on first use (PEP 562)."""
    if name == "__version__":
        from ml_pipeline_framework.contract import FRAMEWORK_VERSION

        return FRAMEWORK_VERSION
    if name == "PipelineOrchestrator":
        from ml_pipeline_framework.orchestrator import PipelineOrchestrator

        return PipelineOrchestrator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
