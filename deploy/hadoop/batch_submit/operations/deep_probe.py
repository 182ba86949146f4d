"""``doctor --deep``: a tiny application of our own asks the nodes for their Python and numpy."""

from __future__ import annotations

import io
import json
from dataclasses import replace

from batch_submit.adapters.host_probe import own_python
from batch_submit.adapters.terminal import Terminal
from batch_submit.adapters.this_call import program_name
from batch_submit.backends.yarn import YarnBackend
from batch_submit.errors import BatchSubmitError
from batch_submit.operations.context import Selection, open_backend, open_context
from batch_submit.operations.examine import Scene
from batch_submit.operations.once import SubmitOptions
from batch_submit.operations.prepare import SubmitCall
from batch_submit.operations.submit import submit
from batch_submit.plan import health_deep
from batch_submit.plan.health import Finding, red, skipped
from batch_submit.services import Services

_SCRIPT = "probe_nodes.py"
_MAX_ANSWER_BYTES = 1 << 20


def ask_nodes(scene: Scene, selection: Selection, timeout_s: float) -> list[Finding]:
    """Run the application through our own submit, in the configured queue, and read what it found.

    It is killed when it has not ended ``timeout_s`` seconds after its acceptance; what it wrote is deleted.
    """
    services = scene.services
    if scene.local:
        return [skipped("deep.run", "backend local: there are no nodes")]
    if scene.addresses is None or not scene.addresses.name_nodes or not scene.user:
        return [skipped("deep.run", "no cluster with an HDFS can be asked")]
    folder = f"/user/{scene.user}/.batch-submit/doctor"
    path = f"{folder}/{services.clock.random_text(12)}.json"
    chosen = replace(
        selection, job_type="custom", flags={**(selection.flags or {}), **health_deep.probe_flags(timeout_s)}
    )
    call = SubmitCall("custom", name="doctor-deep", script=str(services.job_scripts() / _SCRIPT), app_arg=[path])
    stdout = io.StringIO()
    quiet = replace(services, terminal=Terminal(stdout, no_color=True, program=program_name()))
    began = services.clock.monotonic()
    try:
        code = submit(quiet, chosen, call, SubmitOptions())
    except BatchSubmitError as error:
        remedy = error.next_step or "batch-submit submit --help"
        return [red("deep.run", f"the tiny application could not be submitted: {error.message}", remedy)]
    application_id = stdout.getvalue().strip()
    seconds = services.clock.monotonic() - began
    out = [health_deep.run(code, application_id, seconds, timeout_s)]
    return out + _read_answer(quiet, chosen, path) if code == 0 else out


def _read_answer(services: Services, selection: Selection, path: str) -> list[Finding]:
    """What the application wrote; the file is deleted."""
    silent = replace(services, terminal=Terminal(io.StringIO(), io.StringIO()))
    try:
        backend = open_backend(open_context(silent, selection))
        data = backend.read_artifact(path, _MAX_ANSWER_BYTES)
        if isinstance(backend, YarnBackend) and backend.servers.webhdfs is not None:
            backend.servers.webhdfs.delete(path)
        answer = json.loads(data) if data else None
    except (BatchSubmitError, ValueError, RecursionError) as error:
        return [skipped("deep.python", f"the answer can't be read: {str(error).splitlines()[0]}", path)]
    if not isinstance(answer, dict):
        return [skipped("deep.python", "the application wrote no answer", path)]
    return health_deep.interpreters(answer, own_python())
