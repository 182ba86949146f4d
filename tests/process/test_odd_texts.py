"""Names, tags, paths and arguments with quotes, line breaks, ``$()``, ``;`` and letters of any script are data."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process.door import Door

ODD = [
    "it's",
    'say "x"',
    "$(touch pwned)",
    "`touch pwned`",
    "a; touch pwned",
    "a && touch pwned | cat > pwned",
    "${HOME}",
    "two\nlines",
    "größe 日本 🚀",
    "--conf",
    "-x",
    "a\\b",
    "*",
    "~",
    "%s %d {0}",
    "\x1b[31mred",
]


def nothing_ran(door: Door) -> bool:
    """No shell has read any of it."""
    return not list(door.folder.rglob("pwned"))


@pytest.mark.parametrize("text", [one for one in ODD if any(letter in one for letter in "'$\n\x1b日`")])
def test_a_name_is_data(door: Door, text: str) -> None:
    outcome = door.submit(f"--name={text}", "--no-wait", "--verbose")
    assert outcome.code == 0, outcome.err
    assert door.call.value("--name") == text
    assert nothing_ran(door) and "\x1b" not in outcome.err + door.log.read_text()
    listed = door.run("list", "--all-users")
    assert listed.code == 0 and "\x1b" not in listed.out, listed.out
    for verb in ("status", "show"):
        shown = door.run(verb, door.application_id)
        assert shown.code == 0 and "\x1b" not in shown.out + shown.err, shown.out


def test_arguments_and_properties_are_data(door: Door) -> None:
    words = [one for one in ODD if "`" not in one and "%" not in one]  # dates are filled into arguments
    values = [one for one in ODD if one != "~"]  # YAML's other word for null, which takes a value away
    conf = [word for number, one in enumerate(values) for word in ("--conf", f"spark.my.n{number}={one}")]
    outcome = door.submit("--no-wait", "--launcher", "spark-submit", *conf, "--", *words)
    assert outcome.code == 0, outcome.err
    assert door.call.argv[-len(words) :] == words
    assert [door.call.conf[f"spark.my.n{number}"] for number in range(len(values))] == values
    assert nothing_ran(door)


@pytest.mark.parametrize("text", ["it's", "$(touch pwned)", "a; touch pwned", "-x", "*"])
def test_a_script_with_such_a_name_is_shipped_and_not_run(door: Door, text: str) -> None:
    (door.work / f"{text}.py").write_text("print('a job')\n")
    outcome = door.submit("--no-wait", f"--script={text}.py", "--launcher", "spark-submit")
    assert outcome.code in (0, 2), outcome.err
    if outcome.code == 0:
        assert Path(door.call.argv[-1]).read_text() == "print('a job')\n"
    else:
        assert door.calls == [] and outcome.said("next:")
    assert nothing_ran(door)


@pytest.mark.parametrize("text", ["it's", "$(touch pwned)", "größe"])
def test_a_tag_is_data_or_refused(door: Door, text: str) -> None:
    outcome = door.submit("--no-wait", "--conf", f"spark.yarn.tags={text}")
    assert outcome.code in (0, 2), outcome.err
    if outcome.code == 0:
        assert door.call.conf["spark.yarn.tags"].endswith(f",{text.lower()}")
    assert nothing_ran(door)


@pytest.mark.parametrize("place", ["app_args: ['a\\0b']", "custom_spark_conf: {spark.x: 'a\\0b'}", "script: 'a\\0b'"])
def test_a_nul_which_no_program_can_be_given_is_refused(door: Door, place: str) -> None:
    text = place.replace("'", '"')
    script = "" if place.startswith("script") else "script: job.py, "
    door.write_config(f"execution: {{log_file: our.log}}\njob_specific_config: {{custom: {{{script}{text}}}}}\n")
    outcome = door.submit("--no-wait")
    assert outcome.code == 2 and door.calls == [], outcome.err


def test_what_others_call_their_applications_draws_nothing_on_our_terminal(door: Door) -> None:
    odd = "\x1b]0;title\x07\x1b[2Jx\r\n\x9b31m"
    door.rm.add(odd, user="mallory", queue=f"root.{odd}", diagnostics=odd)
    listed = door.run("list", "--all-users", "--all-apps")
    assert "title" in listed.out
    assert listed.code == 0 and not {"\x1b", "\x07", "\x9b", "\r"} & set(listed.out), repr(listed.out)
    assert "title" in listed.out
