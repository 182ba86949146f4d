"""Words of the application master's command through a real shell, after what YARN itself replaces."""

from __future__ import annotations

import subprocess
import sys

import pytest

from batch_submit.plan.rest.words import quoted

WORDS = [
    "",
    "two words",
    'say "hi"',
    "it's",
    "$HOME ${PATH} $(id) `id`",
    "back\\slash \\\\ \\` \\$ end\\",
    "line\nbreak\ttab",
    "{{ ds }} {{{x}}} }} {{",
    '{"a": {"b": {"c": 1}}}',
    "<LOG_DIR>/x <CPS> <LOG_DIR",
    "; rm -rf / & | > < * ? ~ ! #",
    "Zürich 東京 🚀",
    "-Dx='a b'",
]


def as_yarn_runs(command: str) -> str:
    """What ``ContainerLaunch`` makes of a command, and what then stands in ``launch_container.sh``."""
    expanded = command.replace("<LOG_DIR>", "/logs").replace("<CPS>", ":").replace("{{", "$").replace("}}", "")
    return f'exec /bin/bash -c "{expanded}"\n'


@pytest.mark.parametrize("word", WORDS)
def test_a_word_arrives_as_it_was_given(word: str) -> None:
    echo = f"{sys.executable} -c 'import sys; sys.stdout.buffer.write(sys.argv[1].encode())'"
    script = as_yarn_runs(f"{echo} {quoted(word)}")
    done = subprocess.run(["/bin/bash"], input=script.encode(), capture_output=True, check=True)
    assert done.stdout.decode() == word
    assert not done.stderr
