"""Executors and limits: dynamic allocation keeps its bounds, and nothing above ``resource_limits`` gets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.errors import ExitCode, LimitExceeded, UsageError
from batch_submit.plan.config import Sourced
from batch_submit.plan.resources import (
    DYNAMIC,
    INITIAL,
    INSTANCES,
    MAXIMUM,
    MINIMUM,
    apply_limits,
    settle_dynamic_allocation,
)
from batch_submit.plan.units import parse_memory_mib

CORES = "spark.executor.cores"
EXECUTOR_MEMORY = "spark.executor.memory"
DRIVER_MEMORY = "spark.driver.memory"


def conf(**values: object) -> dict[str, Sourced]:
    """Spark conf from short names; every value comes from the line of its own position."""
    names = {
        "instances": INSTANCES,
        "cores": CORES,
        "memory": EXECUTOR_MEMORY,
        "driver": DRIVER_MEMORY,
        "dynamic": DYNAMIC,
        "least": MINIMUM,
        "first": INITIAL,
        "most": MAXIMUM,
    }
    return {names[key]: Sourced(str(value), f"c.yaml:{n}") for n, (key, value) in enumerate(values.items(), start=1)}


def limits(**values: object) -> dict[str, Sourced]:
    return {key: Sourced(value, f"l.yaml:{n}") for n, (key, value) in enumerate(values.items(), start=1)}


# --- dynamic allocation -----------------------------------------------------------------------------------------------


def test_without_dynamic_allocation_nothing_changes() -> None:
    given_conf = conf(instances=4, least=9, dynamic="false")
    assert settle_dynamic_allocation(given_conf).conf == given_conf


def test_num_executors_becomes_the_initial_count_and_that_is_said() -> None:
    settled = settle_dynamic_allocation(conf(dynamic="true", instances=4, least=2, most=8))
    assert settled.conf[INITIAL] == Sourced("4", "c.yaml:2")
    assert INSTANCES not in settled.conf
    assert settled.notices == ("dynamic allocation is on: num_executors=4 (c.yaml:2) is the initial count",)


def test_an_initial_count_of_its_own_wins_and_that_is_said() -> None:
    settled = settle_dynamic_allocation(conf(dynamic="TRUE", instances=4, first=3))
    assert settled.conf[INITIAL].value == "3"
    assert INSTANCES not in settled.conf
    assert "num_executors=4 (c.yaml:2) is not" in settled.notices[0]


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ({"least": 5, "first": 4, "most": 9}, MINIMUM, INITIAL),
        ({"least": 1, "first": 10, "most": 9}, INITIAL, MAXIMUM),
        ({"least": 10, "most": 9}, MINIMUM, MAXIMUM),
        ({"least": 1, "instances": 10, "most": 9}, INITIAL, MAXIMUM),
    ],
)
def test_bounds_that_contradict_each_other_are_refused_with_both_sources(
    counts: dict[str, int], low: str, high: str
) -> None:
    with pytest.raises(UsageError) as caught:
        settle_dynamic_allocation(conf(dynamic="true", **counts))
    assert caught.value.exit_code is ExitCode.USAGE
    assert f"{low}=" in caught.value.message and f"above {high}=" in caught.value.message
    assert caught.value.message.count("(c.yaml:") == 2
    assert "minExecutors <= initialExecutors" in caught.value.next_step


@pytest.mark.parametrize("bad", ["many", "-3", "2.5", "1_0", ""])
def test_a_count_that_is_none_is_refused_where_it_stands(bad: str) -> None:
    with pytest.raises(UsageError, match="must be a whole number from 0 on") as caught:
        settle_dynamic_allocation(conf(dynamic="true", least=1, most=bad))
    assert caught.value.where == "c.yaml:3"


# --- limits: refuse ---------------------------------------------------------------------------------------------------


def test_the_shipped_profile_is_exactly_at_its_limit() -> None:
    plan = conf(instances=50, cores=8, memory="32g", driver="16g")
    at = limits(max_driver_memory="16g", max_executor_memory="32g", max_executor_cores=8, max_total_cores=400)
    assert apply_limits(plan, at, clamp=False).conf == plan


def test_every_excess_is_listed_with_value_source_limit_and_its_source() -> None:
    plan = conf(instances=51, cores=9, memory="33g", driver="17g")
    with pytest.raises(LimitExceeded) as caught:
        apply_limits(
            plan,
            limits(max_driver_memory="16g", max_executor_memory="32g", max_executor_cores=8, max_total_cores=400),
            clamp=False,
        )
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.details == (
        "spark.driver.memory=17g (c.yaml:4) is above resource_limits.max_driver_memory=16g (l.yaml:1)",
        "spark.executor.memory=33g (c.yaml:3) is above resource_limits.max_executor_memory=32g (l.yaml:2)",
        "spark.executor.cores=9 (c.yaml:2) is above resource_limits.max_executor_cores=8 (l.yaml:3)",
        "spark.executor.instances=51 x 9 cores = 459 (c.yaml:1)"
        " is above resource_limits.max_total_cores=400 (l.yaml:4)",
    )
    assert "--clamp" in caught.value.next_step


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (conf(cores=8), f"{INSTANCES}=2 x 8 cores = 16 (Spark's default)"),
        (conf(instances=11), f"{INSTANCES}=11 x 1 cores = 11 (c.yaml:1)"),
        (conf(dynamic="true"), f"{MAXIMUM}=no bound (dynamic allocation without maxExecutors)"),
        (conf(dynamic="true", most=6, cores=2), f"{MAXIMUM}=6 x 2 cores = 12 (c.yaml:2)"),
        # With dynamic allocation maxExecutors counts, not the initial number.
        (conf(dynamic="true", first=1, most=11), f"{MAXIMUM}=11 x 1 cores = 11 (c.yaml:3)"),
    ],
)
def test_total_cores_count_what_spark_would_take(plan: dict[str, Sourced], told: str) -> None:
    with pytest.raises(LimitExceeded) as caught:
        apply_limits(plan, limits(max_total_cores=10), clamp=False)
    assert caught.value.details == (f"{told} is above resource_limits.max_total_cores=10 (l.yaml:1)",)


@pytest.mark.parametrize("dynamic", ["true", "false"])
def test_no_cores_at_all_is_a_usage_error_and_no_division_by_zero(dynamic: str) -> None:
    with pytest.raises(UsageError, match=r"spark\.executor\.cores must be a whole number from 1 on, not '0'"):
        apply_limits(conf(cores=0, dynamic=dynamic), limits(max_total_cores=10), clamp=True)


def test_no_limits_no_check() -> None:
    plan = conf(instances=10**6, cores=99, memory="9t")
    assert apply_limits(plan, {}, clamp=False).conf == plan


# --- limits: clamp ----------------------------------------------------------------------------------------------------


def test_clamp_lowers_and_says_what_from_where_to_what() -> None:
    clamped = apply_limits(
        conf(instances=60, cores=8, driver="20g"), limits(max_driver_memory="16g", max_total_cores=400), clamp=True
    )
    assert clamped.conf[INSTANCES] == Sourced("50", "clamped to resource_limits.max_total_cores (l.yaml:2)")
    assert clamped.conf[DRIVER_MEMORY].value == "16g"
    assert clamped.notices == (
        "clamped: spark.driver.memory=20g (c.yaml:3) is above resource_limits.max_driver_memory=16g (l.yaml:1);"
        " now spark.driver.memory=16g",
        "clamped: spark.executor.instances=60 x 8 cores = 480 (c.yaml:1) is above"
        " resource_limits.max_total_cores=400 (l.yaml:2); now spark.executor.instances=50",
    )


def test_clamp_gives_unbounded_allocation_a_bound_and_lowers_the_counts_below_it() -> None:
    clamped = apply_limits(
        conf(dynamic="true", cores=4, least=30, first=40), limits(max_total_cores=100), clamp=True
    ).conf
    assert [clamped[key].value for key in (MINIMUM, INITIAL, MAXIMUM)] == ["25", "25", "25"]


def test_one_executor_larger_than_the_total_is_lowered_too() -> None:
    clamped = apply_limits(conf(instances=3, cores=8), limits(max_total_cores=4), clamp=True).conf
    assert (clamped[INSTANCES].value, clamped[CORES].value) == ("1", "4")


SIZES = st.integers(1, 64).map(lambda size: f"{size}g") | st.integers(1, 4096).map(lambda size: f"{size}m")
COUNTS = st.integers(1, 200)


@given(
    asked=st.fixed_dictionaries(
        {"dynamic": st.sampled_from(["true", "false"])},
        optional={"instances": COUNTS, "cores": COUNTS, "memory": SIZES, "driver": SIZES}
        | {"least": COUNTS, "first": COUNTS, "most": COUNTS},
    ),
    bounds=st.fixed_dictionaries(
        {},
        optional={
            "max_driver_memory": SIZES,
            "max_executor_memory": SIZES,
            "max_executor_cores": COUNTS,
            "max_total_cores": COUNTS,
        },
    ),
)
def test_what_was_clamped_never_exceeds_the_limits(asked: dict[str, object], bounds: dict[str, object]) -> None:
    try:
        settled = settle_dynamic_allocation(conf(**asked)).conf
    except UsageError:
        return
    clamped = apply_limits(settled, limits(**bounds), clamp=True).conf
    assert apply_limits(clamped, limits(**bounds), clamp=False).conf == clamped
    assert settle_dynamic_allocation(clamped).conf == clamped  # the bounds are in order still
    for key, limit in ((DRIVER_MEMORY, "max_driver_memory"), (EXECUTOR_MEMORY, "max_executor_memory")):
        if key in clamped and limit in bounds:
            assert parse_memory_mib(str(clamped[key].value)) <= parse_memory_mib(str(bounds[limit]))
    total = bounds.get("max_total_cores")
    if isinstance(total, int):
        executors = clamped.get(MAXIMUM if asked["dynamic"] == "true" else INSTANCES, Sourced("2", ""))
        cores = clamped.get(CORES, Sourced("1", ""))
        assert int(str(executors.value)) * int(str(cores.value)) <= total
