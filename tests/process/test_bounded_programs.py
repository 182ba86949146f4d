"""A program that is asked for something ends within its time, whatever it has started."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from batch_submit.adapters import bounded_programs


def test_a_child_that_left_the_session_and_holds_the_pipe_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_programs, "_ENDING_S", 0.2)
    program, left = tmp_path / "kinit", tmp_path / "left"
    program.write_text(f'#!/bin/bash\nsetsid bash -c "echo \\$\\$ >{left}; exec sleep 40" &\nsleep 40\n')
    program.chmod(0o755)
    with pytest.raises(bounded_programs.TookTooLong, match="ended after 2 s"):
        bounded_programs.run([str(program)], {"PATH": os.environ["PATH"]}, 2.0)
    os.kill(int(left.read_text()), signal.SIGKILL)
