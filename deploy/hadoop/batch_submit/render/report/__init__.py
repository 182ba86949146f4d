"""A run's ``metrics.json`` as one HTML page that needs nothing else: no network, no script, no second file."""

from __future__ import annotations

from batch_submit.render.report.page import GENERATOR, is_page, report_page
from batch_submit.render.report.view import RunFacts, Stage, View

__all__ = ["GENERATOR", "RunFacts", "Stage", "View", "is_page", "report_page"]
