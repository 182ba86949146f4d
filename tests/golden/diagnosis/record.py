"""Make golden cases of what ``provoke.py`` kept: ``record.py RAW CASE[=RULE[.VARIANT]]…``; then read what it expects.

Trims the logs (INFO records in the middle, long runs of JVM frames, command lines) and takes folders of the recording
machine out. Line numbers in ``expected.json`` are those of the trimmed files.
"""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[2]
HERE_RE, HOME_RE = re.escape(str(REPO)), re.escape(str(Path.home()))
NEUTRAL = (
    (re.compile(rf"{HERE_RE}/\.work/\w+/nodemanager/(local|logs)"), r"/data/yarn/\1"),
    (re.compile(r"/tmp(?:/\w+)+/local(?=/)"), "/data/yarn/local"),
    (re.compile(rf"{HERE_RE}/\.work/\w+"), "/srv/hadoop"),
    (re.compile(rf"{HERE_RE}/\.venv/bin"), "/opt/python3.11/bin"),
    (re.compile(rf"{HERE_RE}/\.venv/lib/python3\.11/site-packages/pyspark"), "/opt/spark"),
    (re.compile(rf"{HOME_RE}/\.pyenv/versions/([\d.]+)"), r"/opt/python\1"),
)
BANNER = re.compile(r"\A.*?\nLogContents:\n(.*)\nEnd of LogType:", re.DOTALL)
INFO = re.compile(r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d INFO ")
HEADER = re.compile(r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d [A-Z]+ ")
FRAME = re.compile(r"^\s+at ")
MOST_FRAMES, MOST_EXECUTORS, MOST_COLUMNS = 6, 2, 600


def neutral(text):
    for pattern, new in NEUTRAL:
        text = pattern.sub(new, text)
    return text


def trimmed(text, *, records):
    kept, frames, lines, dropping = [], 0, text.split("\n"), False
    for index, line in enumerate(lines):
        if HEADER.match(line):
            dropping = records and bool(INFO.match(line)) and 12 < index < len(lines) - 12
        frames = frames + 1 if FRAME.match(line) else 0
        if not dropping and frames <= MOST_FRAMES:
            kept.append(line if len(line) <= MOST_COLUMNS else f"{line[:MOST_COLUMNS]}…")
    return "\n".join(kept)


def record(raw, case, target):
    folder = HERE / target
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    report = json.loads((raw / case / "report.json").read_text())
    app = report["app"]
    app["diagnostics"] = trimmed(neutral(app["diagnostics"]), records=False)
    (folder / "report.json").write_text(json.dumps({"app": app}, indent=1) + "\n")
    containers = f"container*{app['id'].removeprefix('application')}_*"
    kept = []
    for path in sorted((raw / case).glob(f"{containers}.txt")):
        container, _, name = path.name.removesuffix(".txt").partition(".")
        text = path.read_text(errors="replace")
        if (framed := BANNER.match(text)) is not None:
            text = framed[1]
        if name not in ("stdout", "stderr", "prelaunch.err") or not text.strip():
            continue
        number = int(container.rpartition("_")[2])
        if number != 1 and container not in kept:
            if len(kept) == MOST_EXECUTORS:
                continue
            kept.append(container)
        (folder / path.name).write_text(trimmed(neutral(text), records=name == "stderr"))
    sys.path[:0] = [str(REPO), str(REPO / "deploy" / "hadoop")]
    from batch_submit.diagnosis.explain import explain
    from batch_submit.render.diagnosis import diagnosis_json
    from tests.golden.diagnosis.load import evidence_of

    expected = diagnosis_json(explain(evidence_of(folder)))
    (folder / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n")
    print(f"{case:28} {expected['rule']:28} {expected['cause']}")


if __name__ == "__main__":
    for word in sys.argv[2:]:
        name, _, goes_to = word.partition("=")
        record(Path(sys.argv[1]), name, goes_to or name)
