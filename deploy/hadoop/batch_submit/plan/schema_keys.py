"""The one table of configuration keys. A key that does not stand here does not exist."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from batch_submit.plan.schema_types import Combiner, Key, Kind, Where
from ml_pipeline_framework.contract import JOB_DEFAULTS, JOB_KEYS, MODEL_CONFIG_DEFAULTS, MODEL_CONFIG_KEYS

#: Short names of Spark properties -> the property that Spark knows. Both may be used; see the docs for who wins.
FLAG_STYLE = {
    "num_executors": "spark.executor.instances",
    "executor_cores": "spark.executor.cores",
    "executor_memory": "spark.executor.memory",
    "driver_memory": "spark.driver.memory",
    "driver_cores": "spark.driver.cores",
    "queue": "spark.yarn.queue",
    "deploy_mode": "spark.submit.deployMode",
}

#: What holds when nobody says anything (origin ``default``).
BUILT_IN_DEFAULTS: dict[tuple[str, str], str] = {
    ("execution", "backend"): "auto",
    ("execution", "launcher"): "auto",
    ("execution", "rm_patience"): "15m",
    ("execution", "submit_settle"): "30s",
    # YARN's own default is 2, which runs a failed driver a second time inside the same application.
    ("spark_config", "spark.yarn.maxAppAttempts"): "1",
}

_NOT_A_FLAG = frozenset({Where.FILE, Where.VARIABLE})
_ONLY_FILE = frozenset({Where.FILE})
_LIST = Combiner.APPEND
_MAP = Combiner.MERGE


def _top() -> tuple[Key, ...]:
    return (
        Key(("storage_root",), Kind.DATA_PATH, "folder under which relative data paths lie", "/ml-pipeline"),
        Key(
            ("profiles", "*"),
            Kind.FREE_MAP,
            "named sizes and settings, taken with --profile; may hold any section but profiles and environments",
            "{spark_config: {num_executors: 50}}",
            combiner=_MAP,
            where=_ONLY_FILE,
        ),
        Key(
            ("environments", "*"),
            Kind.FREE_MAP,
            "differences of an environment, taken with --env; may hold any section but profiles and environments",
            "{spark_config: {queue: prod}}",
            combiner=_MAP,
            where=_ONLY_FILE,
        ),
    )


def _storage() -> tuple[Key, ...]:
    section = "storage"
    return (
        Key((section, "owner"), Kind.TEXT, "owner of the folders that init-hdfs makes", "ml-pipeline"),
        Key((section, "group"), Kind.TEXT, "their group", "ml-team"),
        Key((section, "mode"), Kind.TEXT, "their mode, in octal digits", "755"),
    )


def _environment() -> tuple[Key, ...]:
    section = "environment_config"
    return (
        Key((section, "namenode_url"), Kind.URL, "default filesystem; the XML's is used when unset", "hdfs://nn:8020"),
        Key(
            (section, "resourcemanager_url"), Kind.URL, "ResourceManager (RPC); the XML's is used when unset", "rm:8032"
        ),
        Key(
            (section, "resourcemanager_webapp_url"),
            Kind.URLS,
            "ResourceManager's web address; a list for high availability",
            "[http://rm1:8088, http://rm2:8088]",
        ),
        Key(
            (section, "hadoop_conf_dir"),
            Kind.LOCAL_PATH,
            "folder of core-site.xml and yarn-site.xml, when the environment names none",
            "/etc/hadoop/conf",
        ),
    )


def _execution() -> tuple[Key, ...]:
    section = "execution"
    return (
        Key(
            (section, "backend"),
            Kind.ENUM,
            "where jobs run; auto looks for a cluster first",
            "auto",
            choices=("auto", "yarn", "local"),
        ),
        Key(
            (section, "launcher"),
            Kind.ENUM,
            "how a job reaches YARN",
            "auto",
            choices=("auto", "spark-submit", "rest"),
        ),
        Key((section, "timeout"), Kind.DURATION, "a run is killed after this time, queueing included", "6h"),
        Key((section, "wait_timeout"), Kind.DURATION, "stop waiting after this time; the run goes on", "2h"),
        Key((section, "rm_patience"), Kind.DURATION, "how long a ResourceManager may be away while we wait", "15m"),
        Key(
            (section, "submit_settle"),
            Kind.DURATION,
            "no application within this time after spark-submit is gone: it was not launched",
            "30s",
        ),
        Key((section, "log_file"), Kind.LOCAL_PATH, "log of this tool on this host", "hadoop_job_submission.log"),
        Key((section, "save_logs"), Kind.BOOLEAN, "keep the containers' logs of each run under logs/", "false"),
        Key(
            (section, "claims_dir"),
            Kind.DATA_PATH,
            "folder in the cluster where run ids are claimed",
            "/user/etl/.batch-submit/runs",
        ),
        Key(
            (section, "shared_dir"),
            Kind.DATA_PATH,
            "folder in the cluster for files that many runs share",
            "/user/etl/.batch-submit/shared",
        ),
        Key((section, "kill_on_exit"), Kind.BOOLEAN, "kill the application when the waiting is interrupted", "false"),
        Key(
            (section, "allow_world_writable"),
            Kind.BOOLEAN,
            "take files that everybody on this host could have changed",
            "false",
        ),
    )


def _many_and_again() -> tuple[Key, ...]:
    section = "execution"
    return (
        Key(
            (section, "max_spark_submits"),
            Kind.COUNT,
            "spark-submits at once on this host (default: one per core and per GiB of memory)",
            "4",
        ),
        Key((section, "retries"), Kind.WHOLE, "further tries after an infrastructure failure", "2"),
        Key(
            (section, "retry_on"),
            Kind.TEXTS,
            "which failures: lost, preempted, am-failure (default: all three)",
            "[lost, preempted]",
        ),
        Key((section, "retry_wait"), Kind.DURATION, "wait before the first retry; doubled with each", "30s"),
        Key(
            (section, "oom_bump"),
            Kind.NUMBER,
            "raise what ran out of memory by this factor, inside resource_limits",
            "1.5",
        ),
    )


def _spark() -> tuple[Key, ...]:
    section = "spark_config"
    return (
        Key((section, "num_executors"), Kind.COUNT, "executors (spark.executor.instances)", "2"),
        Key((section, "executor_cores"), Kind.CORES, "cores per executor (spark.executor.cores)", "2"),
        Key((section, "executor_memory"), Kind.MEMORY, "heap per executor (spark.executor.memory)", "2g"),
        Key((section, "driver_memory"), Kind.MEMORY, "heap of the driver (spark.driver.memory)", "2g"),
        Key((section, "driver_cores"), Kind.CORES, "cores of the driver (spark.driver.cores)", "1"),
        Key((section, "queue"), Kind.TEXT, "YARN queue (spark.yarn.queue)", "default"),
        Key(
            (section, "deploy_mode"),
            Kind.ENUM,
            "where the driver runs (spark.submit.deployMode)",
            "cluster",
            choices=("cluster", "client"),
        ),
        Key(
            (section, "spark.*"),
            Kind.CONF_VALUE,
            "any Spark property",
            "spark.sql.adaptive.enabled: true",
            combiner=_MAP,
        ),
    )


def _example(name: str, examples: Mapping[str, str], defaults: Mapping[str, object]) -> str:
    """An example of a key that the contract owns: a telling one, else its default as YAML has it."""
    if name in examples or name not in defaults:
        return examples.get(name, "...")
    text = json.dumps(defaults[name])
    return text.strip('"') if re.fullmatch(r'"[a-z][a-z_]+"', text) else text


def _model() -> tuple[Key, ...]:
    examples = {
        "model_name": "arrival-delay",
        "algorithm": "random_forest",
        "hyperparameters": "{n_estimators: 100, max_depth: 10}",
        "test_size": "0.2",
        "cv_folds": "5",
        "seed": "42",
        "key_columns": "[year, month, day]",
        "exclude_columns": "[tailnum]",
        "known_after_columns": "[arr_delay, air_time]",
        "feature_columns": "[distance, hour]",
        "text_columns": "[comment]",
        "time_parts": "[month, hour]",
        "time_column": "departure",
        "group_column": "customer_id",
        "positive_class": '"yes"',
        "threshold": "f1",
        "scoring": "auc",
        "label_column": "late",
        "label_expression": '"arr_delay > 15"',
    }
    # The contract checks the values: it owns what the jobs understand.
    return tuple(
        Key(("model_config", name), Kind.ANY, doc, _example(name, examples, MODEL_CONFIG_DEFAULTS))
        for name, doc in MODEL_CONFIG_KEYS.items()
    )


def _data() -> tuple[Key, ...]:
    docs = {
        "training_data_path": ("input of training", "data/training/flights.parquet"),
        "validation_data_path": ("second input of training, for validation", "data/validation/flights.parquet"),
        "evaluation_data_path": ("input of evaluation", "data/evaluation/flights.parquet"),
        "prediction_input_path": ("input of prediction", "data/incoming/flights.parquet"),
        "predictions_output_path": ("output of prediction; dates are filled in", '"predictions/dt={{ ds }}"'),
        "*_path": ("any other path of data, passed to the job", "lookup_path: data/lookup/carriers.csv"),
    }
    return tuple(Key(("data_config", name), Kind.DATA_PATH, doc, example) for name, (doc, example) in docs.items())


def _security() -> tuple[Key, ...]:
    section = "security_config"

    def password(name: str, example: str) -> Key:
        return Key((section, name), Kind.SECRET, "its password", example, where=_NOT_A_FLAG)

    return (
        Key(
            (section, "enable_kerberos"),
            Kind.BOOLEAN,
            "the cluster wants Kerberos, whatever the XML says; false: without the keytab",
            "false",
        ),
        Key((section, "principal"), Kind.TEXT, "Kerberos principal", "etl@EXAMPLE.COM"),
        Key((section, "keytab"), Kind.LOCAL_PATH, "its keytab", "/etc/security/etl.keytab"),
        Key((section, "proxy_user"), Kind.TEXT, "act for this user, by our own ticket", "alice"),
        Key((section, "enable_ssl"), Kind.BOOLEAN, "TLS and encryption for Spark's own connections", "false"),
        Key((section, "keystore_path"), Kind.LOCAL_PATH, "key store of Spark's TLS", "/etc/security/keystore.jks"),
        password("keystore_password", '"${KEYSTORE_PASSWORD}"'),
        Key(
            (section, "truststore_path"),
            Kind.LOCAL_PATH,
            "trust store (JKS, PKCS12) of Spark's TLS and of our HTTPS",
            "/etc/security/truststore.jks",
        ),
        password("truststore_password", '"${TRUSTSTORE_PASSWORD}"'),
        Key((section, "ca_bundle"), Kind.LOCAL_PATH, "certificates (PEM) trusted for HTTPS", "/etc/ssl/certs/ca.pem"),
        Key(
            (section, "client_certificate"),
            Kind.LOCAL_PATH,
            "our certificate (PEM) for servers that want one",
            "/etc/security/etl.pem",
        ),
        Key((section, "client_key"), Kind.LOCAL_PATH, "its key (PEM, not encrypted)", "/etc/security/etl.key"),
    )


def _tracking() -> tuple[Key, ...]:
    section = "mlflow"
    return (
        Key((section, "tracking_uri"), Kind.TEXT, "MLflow server; unset: no tracking", "http://mlflow:5000"),
        Key((section, "experiment"), Kind.TEXT, "MLflow experiment", "hadoop_experiments"),
        Key((section, "tags"), Kind.ANY, "tags of each run", "{team: ml}"),
        Key((section, "log_model"), Kind.BOOLEAN, "store the model there too", "false"),
    )


def _limits() -> tuple[Key, ...]:
    section = "resource_limits"
    return (
        Key((section, "max_driver_memory"), Kind.MEMORY, "largest driver heap", "16g"),
        Key((section, "max_executor_memory"), Kind.MEMORY, "largest executor heap", "32g"),
        Key((section, "max_executor_cores"), Kind.CORES, "most cores per executor", "8"),
        Key((section, "max_total_cores"), Kind.CORES, "most cores of all executors together", "400"),
    )


#: Of the keys whose default is none, or says little.
_JOB_EXAMPLES = {
    "output_compression": "snappy",
    "gate": "{min_auc: 0.7, max_regression: 0.01}",
    "model": "churn@latest",
    "compare_with": "previous",
    "register": "true",
    "segment_columns": "[origin, carrier]",
    "choose_threshold": "f1",
    "keep_columns": "[customer_id]",
    "output_partition_by": "[origin]",
    "inputs": "{flights: {path: data/raw/flights.csv}}",
    "steps": '[{filter: "distance > 100"}]',
    "quality": "{checks: [{check: not_null, columns: [id]}]}",
    "outputs": "{clean: {path: data/clean.parquet}}",
    "stages": "[training, evaluation]",
    "mlflow": "{experiment: nightly}",
}


def _job() -> tuple[Key, ...]:
    def key(name: str, kind: Kind, doc: str, example: str, combiner: Combiner = Combiner.REPLACE) -> Key:
        return Key(("job_specific_config", "*", name), kind, doc, example, combiner)

    ours = (
        key("script", Kind.LOCAL_PATH, "the script to run instead of the shipped one", "scripts/my_job.py"),
        key("additional_jars", Kind.LOCAL_PATHS, "jars for the driver and the executors", "[lib/udfs.jar]", _LIST),
        key("additional_py_files", Kind.LOCAL_PATHS, "Python files, zips and eggs", "[lib/features.zip]", _LIST),
        key("files", Kind.LOCAL_PATHS, "files for each container's working folder", "[conf/lookup.csv]", _LIST),
        key("archives", Kind.LOCAL_PATHS, "archives unpacked in each container", '["env.tar.gz#env"]', _LIST),
        key(
            "custom_spark_conf", Kind.CONF_MAP, "Spark properties of this job type", "{spark.task.maxFailures: 8}", _MAP
        ),
        key(
            "spark_config",
            Kind.CONF_MAP,
            "as the section spark_config, for this job type",
            "{executor_memory: 4g}",
            _MAP,
        ),
        key("app_args", Kind.TEXTS, "arguments of the script", "[--mode, full]"),
        key("prediction_timeout", Kind.DURATION, "longest time a prediction may take", "1h"),
        key("timeout", Kind.DURATION, "as execution.timeout, for this job type", "6h"),
        key("wait_timeout", Kind.DURATION, "as execution.wait_timeout, for this job type", "2h"),
        key("model_config", Kind.FREE_MAP, "as the section model_config, for this job type", "{cv_folds: 5}", _MAP),
        key(
            "data_config", Kind.FREE_MAP, "as the section data_config, for this job type", "{lookup_path: l.csv}", _MAP
        ),
    )
    # The contract checks the values: it owns what the jobs understand.
    return (
        *ours,
        *(key(name, Kind.ANY, doc, _example(name, _JOB_EXAMPLES, JOB_DEFAULTS)) for name, doc in JOB_KEYS.items()),
    )


KEYS: tuple[Key, ...] = (
    *_top(),
    *_storage(),
    *_environment(),
    *_execution(),
    *_many_and_again(),
    *_spark(),
    *_model(),
    *_data(),
    *_security(),
    *_tracking(),
    *_limits(),
    *_job(),
)
