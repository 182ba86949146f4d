"""Read a golden case as evidence."""

from __future__ import annotations

import json
from pathlib import Path

from batch_submit.adapters.rm_replies import parse_application
from batch_submit.diagnosis.evidence import DRIVER, EXECUTOR, Evidence, LogText

CASES = Path(__file__).resolve().parent


def evidence_of(folder: Path) -> Evidence:
    """The report and the logs of a case, as the operation would hand them over."""
    report = parse_application(json.loads((folder / "report.json").read_text(encoding="utf-8")))
    logs = []
    for path in sorted(folder.glob("container_*.txt")):
        container, _, name = path.name.removesuffix(".txt").partition(".")
        attempt, number = (int(part) for part in container.split("_")[-2:])
        text = path.read_text(encoding="utf-8")
        logs.append(LogText(container, DRIVER if number == 1 else EXECUTOR, attempt, name, text))
    return Evidence(report, tuple(sorted(logs, key=lambda log: (log.role, -log.attempt, log.file != "stdout"))))
