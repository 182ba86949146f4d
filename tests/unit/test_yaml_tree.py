"""YAML is read without converting anything; what a reader could misunderstand is a problem that says what to write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.plan.yaml_scalars import is_plain_text, plain_value, trap
from batch_submit.plan.yaml_tree import MAX_DEPTH, Mapping, Scalar, Sequence, parse_yaml


def messages(text: str) -> list[str]:
    return [str(problem) for problem in parse_yaml(text, "f.yaml").problems]


def entries(text: str) -> dict[str, object]:
    tree = parse_yaml(text, "f.yaml")
    assert tree.problems == ()
    assert isinstance(tree.root, Mapping)
    return dict(tree.root.entries)


def test_values_keep_their_spelling_and_line() -> None:
    found = entries("a: 1.10\nb:\n  - x\n  - '010'\nc: !!str 1\nd: |\n  text\n")
    assert found["a"] == Scalar("1.10", 1)
    assert found["b"] == Sequence((Scalar("x", 3), Scalar("010", 4, quoted=True)), 3)
    assert found["c"] == Scalar("1", 5, quoted=True)
    assert found["d"] == Scalar("text\n", 6, quoted=True)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\ufeffa: 1"])
def test_small_files(text: str) -> None:
    assert messages(text) == []


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("on", "write true"),
        ("Off", "write false"),
        ("yes", 'or "yes" in quotes'),
        ("NO", "write false"),
        ("y", "write true"),
        ("N", "write false"),
        ("010", "octal number 8"),
        ("08", 'write "08" in quotes'),
        ("-012", "octal number -10"),
        ("1:30", "the number 90"),
        ("1:30:00", "the number 5400"),
        ("1_000", "write 1000"),
        ("2024_01", "the number 202401"),
        ("0x1F", "the number 31"),
        ("0b11", "the number 3"),
        ("0o17", "the number 15"),
        ("2026-01-01", "a date"),
        ("2026-01-01 10:00:00", "a date"),
        (".inf", "not a finite number"),
        ("-.INF", "not a finite number"),
        (".nan", "not a finite number"),
    ],
)
def test_traps_are_errors_that_say_what_to_write(word: str, advice: str) -> None:
    assert advice in messages(f"x: 1\na: {word}\n")[0]
    assert messages(f"x: 1\na: {word}\n")[0].startswith("f.yaml:2: a: ")
    assert messages(f"a: \"{word}\"\nb: ['{word}']") == []
    assert advice in messages(f"a: [{word}]")[0]


@pytest.mark.parametrize(
    "word", ["once", "yesterday", "10", "0", "-1", "0.5", "1e3", "true", "null", "1:75", "v010", "a_1"]
)
def test_plain_words_are_no_traps(word: str) -> None:
    assert messages(f"a: {word}") == []


@pytest.mark.parametrize(
    ("text", "start", "advice"),
    [
        ("a: {{ ds }}", "f.yaml:1: a: ", 'write "{{ ds }}" in quotes'),
        ("a: 1\nb: {{ ds }}/x\nc: 1", "f.yaml:2: ", 'write "{{ ds }}/x" in quotes'),
        ("a: [x/{{ ds }}]", "f.yaml:1: ", 'write "x/{{ ds }}" in quotes'),
        ("a: %Y%m%d", "f.yaml:1: ", 'write "%Y%m%d" in quotes'),
        ("a: @x", "f.yaml:1: ", 'write "@x" in quotes'),
        ("a:\n\tb: 1", "f.yaml:2: ", "not with tabs"),
        ("a: b: c", "f.yaml:1: ", "in quotes"),
        ("a: 1\nb: 'x\nc: 2", "f.yaml:2: ", "not closed"),
        ("a: 1\nb: [1, 2", "f.yaml:", "not valid YAML"),
        ("a:\n  b: 1\n c: 2", "f.yaml:3: ", "indentation"),
        ("a: 1\n---\nb: 2", "f.yaml:2: ", "several YAML documents"),
        ("a: 1\nb: \x07", "f.yaml:2: ", "control character"),
        ("a: *x", "f.yaml:1: ", "undefined alias"),
        ("a: \ud800", "f.yaml:1: ", "not readable"),
        ("a: !!python/object:os.x 1", "f.yaml:1: a: ", "tag !!python/object:os.x is not supported"),
        ("a: !!int '3'", "f.yaml:1: a: ", "tag !!int is not supported"),
        ("a: !x {b: 1}", "f.yaml:1: a: ", "not supported"),
        ("? [a]\n: 1", "f.yaml:1: ", "a list can't be a key"),
        ("1: x", "f.yaml:1: 1: ", 'write "1" in quotes'),
        ("true: x", "f.yaml:1: true: ", "a key must be text"),
        ("on: x", "f.yaml:1: on: ", 'write "on" in quotes'),
        ("a: &a [*a]", "f.yaml:1: a[0]: ", "an alias refers to the block that holds it"),
        ("<<: 3", "f.yaml:1: ", "<< takes a map"),
    ],
)
def test_bad_yaml_is_one_clear_problem_with_its_line(text: str, start: str, advice: str) -> None:
    found = messages(text)
    assert len(found) == 1
    assert found[0].startswith(start)
    assert advice in found[0]


def test_repeated_keys_name_both_lines_and_everything_is_collected() -> None:
    found = messages("a: 1\nb: {c: on, c: 010}\na: yes\n")
    assert found == [
        'f.yaml:2: b.c: YAML may read on as true: write true, or "on" in quotes if the text is meant',
        "f.yaml:2: b.c: repeated: the same key already stands on line 2",
        'f.yaml:2: b.c: YAML may read 010 as the octal number 8: write "010" in quotes, '
        "or the number without the leading zero",
        "f.yaml:3: a: repeated: the same key already stands on line 1",
        'f.yaml:3: a: YAML may read yes as true: write true, or "yes" in quotes if the text is meant',
    ]


def test_anchors_and_merge_keys() -> None:
    text = "base: &base\n  p: 1\n  q: 2\nother: &other {p: 9, r: 3}\nuse:\n  <<: [*base, *other]\n  q: 5\ncopy: *base\n"
    found = entries(text)
    use = found["use"]
    assert isinstance(use, Mapping)
    assert {key: node.text for key, node in use.entries.items() if isinstance(node, Scalar)} == {
        "p": "1",
        "q": "5",
        "r": "3",
    }
    assert use.key_lines == {"q": 7, "p": 2, "r": 4}
    assert found["copy"] == found["base"]


def test_a_trap_in_an_aliased_block_is_reported_once() -> None:
    assert len(messages("x: &x {p: on}\nk: *x\nm: *x")) == 1


def test_aliases_that_explode_and_deep_nesting_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "aliases count as often as they are used" in messages("\n".join(lines))[0]
    assert messages("a: " + "[" * 100_000) == [f"f.yaml:1: nested more than {MAX_DEPTH} levels deep"]


def test_secrets_do_not_appear_in_messages() -> None:
    for text in ("keystore_password: 0123", "keystore_password: %hunter2", "keystore_password: {{ hunter2 }}x"):
        found = messages(text)
        assert len(found) == 1
        assert "0123" not in found[0]
        assert "hunter2" not in found[0]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("10", 10),
        ("-3", -3),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("a", "a"),
    ],
)
def test_plain_words_are_typed_by_yaml_1_2(word: str, value: object) -> None:
    assert plain_value(word) == value
    assert type(plain_value(word)) is type(value)


@pytest.mark.parametrize("word", ["1e999", "9" * 5000])
def test_numbers_that_nobody_can_hold(word: str) -> None:
    with pytest.raises(ValueError, match="quote it"):
        plain_value(word)


def test_without_the_c_library_the_answers_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    good = "a: 1.10\nb: [x, '010']\nc: &c\n  d: |\n    text\ne: {<<: *c}\nf: !!str 1\n"
    bad = "a: on\nb: {c: 1, c: 010}\nd: {{ ds }}\ne: !!int '1'\n"
    with_c = parse_yaml(good, "f"), parse_yaml(bad, "f")
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert (parse_yaml(good, "f"), parse_yaml(bad, "f")) == with_c
    assert with_c[0].problems == ()
    for text in ("a: {{ ds }}/x", "a:\n\tb: 1", "a: 'x", "a: 1\n---\nb: 2", "a: \x07", "a: *x", "[" * 5000):
        found = messages(text)
        assert len(found) == 1
        assert found[0].startswith("f.yaml:")


@given(st.text(max_size=60))
def test_any_text_is_read_without_an_exception(text: str) -> None:
    for problem in parse_yaml(text, "f.yaml").problems:
        assert problem.where.startswith("f.yaml:")


@given(st.text(alphabet="0123456789:_.-+xobeyns", max_size=12))
def test_a_word_without_trap_that_counts_as_text_is_text_for_pyyaml_too(word: str) -> None:
    import yaml

    if is_plain_text(word):
        assert yaml.safe_load(f"a: {word}") == {"a": word}
        assert trap(word) == ""


@pytest.mark.parametrize(
    "value", ["!S3cret", "!S3cret word", "!S3cret 'word'", "!S3cret [a]", "!S3cret {a: b}", "!S3!cret"]
)
def test_a_password_that_yaml_takes_for_a_tag_is_not_shown(value: str) -> None:
    (said,) = messages(f"spark_config:\n  spark.my.password: {value}\n")
    assert "f.yaml:2" in said and "quotes" in said and "S3" not in said
    (named,) = messages("a: !vault x\n")
    assert "the tag !vault is not supported here" in named
