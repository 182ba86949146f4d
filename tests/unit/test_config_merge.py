"""Layers, combiners, warnings and the one report of everything that is wrong."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batch_submit.plan.config import Config, Sourced
from batch_submit.plan.merge import combine, final
from batch_submit.plan.schema import Combiner
from tests.unit.merged_config import build, problems

# --- the order of the layers ------------------------------------------------------------------------------------------

#: Every layer in order, as arguments of build() that set the queue, and the origin that must result.
LAYERS: list[tuple[str, str]] = [
    ("site", "spark-defaults.conf:1"),
    ("file", "c.yaml:1"),
    ("environment", "environment prod (c.yaml:2)"),
    ("overlay", "c_prod.yaml:1"),
    ("profile", "profile big (c.yaml:3)"),
    ("job", "c.yaml:4"),
    ("job of the overlay", "c_prod.yaml:2"),
    ("job of the profile", "profile big (c.yaml:3)"),
    ("variables", "variable BATCH_SUBMIT_SPARK_CONFIG__QUEUE"),
    ("flags", "flag --queue"),
]


def build_layers(chosen: set[str]) -> Config:
    def conf(name: str) -> str:
        return f"spark_config: {{queue: {name.replace(' ', '-')}}}" if name in chosen else "storage_root: null"

    def job(name: str) -> str:
        return f"job_specific_config: {{training: {{{conf(name) if name in chosen else ''}}}}}"

    main = [
        conf("file"),
        f"environments: {{prod: {{{conf('environment')}}}}}",
        f"profiles: {{big: {{{conf('profile')}, {job('job of the profile')}}}}}",
        job("job"),
    ]
    return build(
        "\n".join(main),
        overlay=f"{conf('overlay')}\n{job('job of the overlay')}",
        site="spark.yarn.queue site" if "site" in chosen else None,
        env="prod",
        profile="big",
        variables={"BATCH_SUBMIT_SPARK_CONFIG__QUEUE": "variables"} if "variables" in chosen else {},
        flags={("spark_config", "queue"): ("flags", "--queue")} if "flags" in chosen else {},
    )


@given(st.sets(st.sampled_from([name for name, _ in LAYERS]), min_size=1))
def test_the_latest_layer_wins_and_its_origin_is_kept(chosen: set[str]) -> None:
    config = build_layers(chosen)
    name, origin = next((name, origin) for name, origin in reversed(LAYERS) if name in chosen)
    found = config.spark_conf()["spark.yarn.queue"]
    assert found.value == name.replace(" ", "-")
    assert found.origin == origin
    assert len(config.overridden.get(("spark_config", "spark.yarn.queue"), ())) == len(chosen) - 1


def test_defaults_are_there_and_the_site_beats_them() -> None:
    assert build().get("spark.yarn.maxAppAttempts") == Sourced(
        "1", "default", key="spark_config.spark.yarn.maxAppAttempts"
    )
    assert build(site="spark.yarn.maxAppAttempts 3").value("spark.yarn.maxAppAttempts") == "3"
    assert build().value("execution.backend") == "auto"
    assert build().duration_s("execution.rm_patience") == 900


def test_an_overlay_may_be_a_full_copy() -> None:
    text = "spark_config: {queue: a}\nprofiles: {p: {spark_config: {num_executors: 3}}}\nenvironments: {prod: {}}\n"
    config = build(text, overlay=text.replace("queue: a", "queue: b"), env="prod", profile="p")
    assert config.value("spark_config.queue") == "b"
    assert config.get("spark_config.num_executors") == Sourced(
        "3", "profile p (c_prod.yaml:2)", "/over", "profiles.p.spark_config.num_executors"
    )
    assert config.warnings == ()


# --- combiners --------------------------------------------------------------------------------------------------------


JOB = "job_specific_config: {training: {%s}}"


def test_file_lists_append_in_order_and_each_item_knows_its_folder() -> None:
    config = build(
        JOB % "files: [a, b]",
        overlay=JOB % "files: [c]",
        env="prod",
        flags={("job", "files"): (("d",), "--files")},
    )
    assert config.value("job.files") == ("a", "b", "c", "d")
    assert [(one.value, one.origin, one.base) for one in config.items("job.files")] == [
        ("a", "c.yaml:1", "/conf"),
        ("b", "c.yaml:1", "/conf"),
        ("c", "c_prod.yaml:1", "/over"),
        ("d", "flag --files", ""),
    ]
    assert config.get("job.files").origin == "c.yaml:1, c_prod.yaml:1, flag --files"  # type: ignore[union-attr]


def test_null_as_first_item_clears_a_list_and_null_removes_it() -> None:
    assert build(JOB % "files: [a]", overlay=JOB % "files: [null, b]", env="prod").value("job.files") == ("b",)
    assert build(JOB % "files: [a]", overlay=JOB % "files: null", env="prod").get("job.files") is None
    assert build(JOB % "files: [a]", overlay=JOB % "files: [null]", env="prod").get("job.files") is None
    assert "null may only be the first item" in problems(JOB % "files: [a, null]")[0]


def test_other_lists_and_maps_replace() -> None:
    main = "model_config: {hyperparameters: {a: 1, b: 2}}\n" + JOB % "app_args: [a, b]"
    config = build(main, overlay="model_config: {hyperparameters: {c: 3}}\n" + JOB % "app_args: [z]", env="prod")
    assert config.value("model_config.hyperparameters") == {"c": 3}
    assert config.value("job.app_args") == ("z",)


def test_spark_properties_merge_by_key_and_null_removes_even_the_sites() -> None:
    config = build("spark_config: {spark.a: 1, spark.b: null, spark.c: TRUE}", site="spark.b 2\nspark.d 3")
    bare = {key: value.value for key, value in config.spark_conf().items()}
    assert bare == {"spark.a": "1", "spark.c": "true", "spark.d": "3", "spark.yarn.maxAppAttempts": "1"}
    assert [one.origin for one in config.overridden[("spark_config", "spark.b")]] == [
        "spark-defaults.conf:1",
        "c.yaml:1",
    ]


def test_the_job_types_section_overrides_model_and_data() -> None:
    main = "model_config: {cv_folds: 0}\ndata_config: {training_data_path: a}\n"
    main += JOB % "model_config: {cv_folds: 5}, data_config: {training_data_path: b}, batch_size: 10, script: s.py"
    config = build(main)
    assert config.value("model_config.cv_folds") == 5
    assert config.value("data_config.training_data_path") == "b"
    assert set(config.section("job")) == {"batch_size", "script"}
    assert build(main, job_type="prediction").value("model_config.cv_folds") == 0
    assert build(main, job_type=None).section("job") == {}


ITEMS = st.lists(st.sampled_from("abc"), max_size=3)


@st.composite
def layer_values(draw: st.DrawFn) -> Sourced:
    """A list as a layer may say it: removed, cleared first, or plain."""
    origin = draw(st.sampled_from(["one", "two", "three"]))
    if draw(st.booleans()) and draw(st.booleans()):
        return Sourced(None, origin)
    names = draw(ITEMS)
    first = [Sourced(None, origin)] if draw(st.booleans()) else []
    items = tuple(first + [Sourced(name, origin) for name in names])
    return Sourced(tuple(names), origin, items=items)


@given(layer_values(), layer_values(), layer_values(), st.sampled_from(list(Combiner)))
def test_combining_is_associative(first: Sourced, second: Sourced, third: Sourced, combiner: Combiner) -> None:
    left = combine(combine(first, second, combiner), third, combiner)
    right = combine(first, combine(second, third, combiner), combiner)
    left_final, right_final = final(left), final(right)
    assert (left_final is None) == (right_final is None)
    if left_final is not None and right_final is not None:
        assert left_final.value == right_final.value
        assert left_final.items == right_final.items


@given(st.lists(layer_values(), min_size=1, max_size=5))
def test_appended_lists_keep_their_order_and_their_origins(layers: list[Sourced]) -> None:
    merged: Sourced | None = None
    expected: list[tuple[object, str]] = []
    for layer in layers:
        merged = combine(merged, layer, Combiner.APPEND)
        if layer.value is None or (layer.items and layer.items[0].value is None):
            expected = []
        expected += [(item.value, item.origin) for item in layer.items if item.value is not None]
    assert merged is not None
    result = final(merged)
    assert [(item.value, item.origin) for item in (result.items if result else ())] == expected


# --- one property, two names ------------------------------------------------------------------------------------------


def test_within_one_layer_the_dotted_name_wins_with_a_warning() -> None:
    lines = ["  spark.executor.memory: 4g", "  executor_memory: 8g"]
    for first, second, winner, loser in ((0, 1, 2, 3), (1, 0, 3, 2)):
        main = "\n".join(["spark_config:", lines[first], lines[second]])
        config = build(main)
        assert config.value("spark_config.executor_memory") == "4g"
        assert config.warnings == (
            f"c.yaml:{winner}: spark_config.spark.executor.memory wins over spark_config.executor_memory "
            f"(c.yaml:{loser}): both set spark.executor.memory; keep one of them",
        )


def test_between_layers_the_order_decides_and_a_surprise_is_said() -> None:
    config = build(
        "spark_config: {spark.executor.memory: 4g}", flags={("spark_config", "executor_memory"): ("8g", "--em")}
    )
    assert config.value("spark.executor.memory") == "8g"
    assert config.warnings == (
        "flag --em: spark_config.executor_memory overrides spark_config.spark.executor.memory (c.yaml:1): "
        "both set spark.executor.memory, the later layer wins",
    )
    assert build("spark_config: {executor_memory: 8g}", site="spark.executor.memory 4g").warnings == ()


def test_custom_spark_conf_beats_spark_config_of_the_same_job_type() -> None:
    config = build(JOB % "custom_spark_conf: {spark.executor.memory: 4g}, spark_config: {executor_memory: 8g}")
    assert config.value("spark.executor.memory") == "4g"
    assert len(config.warnings) == 1
    assert build(JOB % "spark_config: {queue: q}").warnings == ()


def test_a_profiles_value_that_the_job_type_overrides_is_said() -> None:
    main = "profiles: {p: {spark_config: {executor_memory: 32g}}}\n" + JOB % "spark_config: {executor_memory: 4g}"
    assert build(main, profile="p").warnings == (
        "profile p (c.yaml:1): profiles.p.spark_config.executor_memory is overridden by "
        "job_specific_config.training.spark_config.executor_memory (c.yaml:2): "
        "the job type's section comes after the profile",
    )
    assert build(main).warnings == ()
    assert build(main, profile="p", job_type="custom").warnings == ()
    assert build(main, profile="p", flags={("spark_config", "executor_memory"): ("2g", "--em")}).warnings == ()
