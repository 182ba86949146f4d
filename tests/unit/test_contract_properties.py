"""Laws of the jobs' parameters: what is written reads back, and no value anywhere ends in a stack trace."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline_framework.contract import MODEL_CONFIG_KEYS, ContractError, TrainingParams
from tests.unit.test_contract import DEFAULTS, config

names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
columns = st.lists(names, min_size=1, max_size=4, unique=True).map(tuple)
training_params = st.builds(
    TrainingParams,
    run_id=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True),
    input_path=names,
    label_column=st.just("late"),
    key_columns=columns,
    name=st.text(max_size=10),
    model_name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,10}", fullmatch=True),
    model_path=st.text(max_size=10),
    hyperparameters=st.fixed_dictionaries(
        {},
        optional={
            "n_estimators": st.integers(1, 10_000),
            "max_depth": st.integers(0, 30),
            "subsample": st.floats(0.001, 1),
            "max_features": st.one_of(st.integers(1, 50), st.sampled_from(["sqrt", "log2", "all"])),
        },
    ),
    label_expression=st.text(max_size=20),
    test_size=st.floats(0.001, 0.999),
    cv_folds=st.sampled_from([0, 2, 5]),
    seed=st.integers(0, 2**31 - 1),
)


@given(training_params)
def test_json_round_trip(params):
    text = params.to_json()
    assert TrainingParams.from_json(text) == params
    assert TrainingParams.from_json(text).to_json() == text


flag_values = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=10)


@given(training_params, flag_values, st.integers(0, 2**31 - 1), st.floats(0.001, 0.999), st.booleans())
def test_flags_round_trip(params, path, seed, test_size, joined):
    pairs = [("--input-path", path), ("--seed", str(seed)), ("--test-size", repr(test_size))]
    joined = joined or path.startswith("--")
    argv = [f"{flag}={value}" for flag, value in pairs] if joined else [word for pair in pairs for word in pair]
    expected = dataclasses.replace(params, input_path=path, seed=seed, test_size=test_size)
    assert params.with_flags(argv) == expected


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_value_anywhere_is_taken_or_refused_with_its_key(value):
    for key in MODEL_CONFIG_KEYS:
        changed = config(**{key: value})
        try:
            TrainingParams.from_config(changed, defaults=DEFAULTS)
        except ContractError as error:
            assert all(one.key.startswith(("model_config.", "job.")) for one in error.problems)
