"""A plan for the REST launcher, as Spark 4.3.0's own client was recorded with it (``tests/golden/rest``)."""

from __future__ import annotations

from datetime import date

from batch_submit.plan.identity import Fingerprint
from batch_submit.plan.rest.distribution import SparkFacts
from batch_submit.plan.submission import JobSpec, ShippedFile, SubmissionPlan
from ml_pipeline_framework.contract import JobType

APPLICATION = "application_1795288832125_0001"
STAGING = f"hdfs://localhost:9100/user/root/.sparkStaging/{APPLICATION}"
OPTIONS = [
    "-XX:+IgnoreUnrecognizedVMOptions",
    "--add-modules=jdk.incubator.vector",
    *(
        f"--add-opens=java.base/{one}=ALL-UNNAMED"
        for one in [
            "java.lang",
            "java.lang.invoke",
            "java.lang.reflect",
            "java.io",
            "java.net",
            "java.nio",
            "java.util",
            "java.util.concurrent",
            "java.util.concurrent.atomic",
            "jdk.internal.ref",
            "sun.nio.ch",
            "sun.nio.cs",
            "sun.security.action",
            "sun.util.calendar",
        ]
    ),
    "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dio.netty.allocator.type=pooled",
    "-Dio.netty.handler.ssl.defaultEndpointVerificationAlgorithm=NONE",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
]
FACTS = SparkFacts(
    "4.3.0", tuple(OPTIONS), ("/opt/spark/python/lib/pyspark.zip", "/opt/spark/python/lib/py4j-0.10.9.9-src.zip")
)
CONF = {
    "spark.acls.enable": "true",
    "spark.admin.acls": "eve",
    "spark.driver.cores": "1",
    "spark.driver.extraClassPath": "/opt/x.jar",
    "spark.driver.extraJavaOptions": "-Dq=1 -Dr='a b'",
    "spark.driver.memory": "600m",
    "spark.eventLog.dir": "hdfs:///spark-logs",
    "spark.executor.instances": "1",
    "spark.executor.memory": "512m",
    "spark.executorEnv.MY_B": "y",
    "spark.executorEnv.SPARK_LOCAL_IP": "127.0.0.1",
    "spark.pyspark.python": "/opt/python/bin/python",
    "spark.ui.view.acls": "bob",
    "spark.yarn.am.nodeLabelExpression": "",
    "spark.yarn.appMasterEnv.MY_A": "x",
    "spark.yarn.appMasterEnv.SPARK_LOCAL_IP": "127.0.0.1",
    "spark.yarn.jars": "local:/opt/spark/jars/*",
    "spark.yarn.maxAppAttempts": "1",
    "spark.yarn.priority": "3",
    "spark.yarn.queue": "ml-queue",
    "spark.yarn.rolledLog.includePattern": "spark.*",
    "spark.yarn.submit.waitAppCompletion": "false",
    "spark.yarn.tags": "Aa,bb",
}


def shipped(path: str, link: str = "") -> ShippedFile:
    return ShippedFile(path, link or path.rpartition("/")[2], "here", aliased=bool(link))


def plan(**changes: object) -> SubmissionPlan:
    spec = JobSpec(
        job_type=JobType.CUSTOM,
        name="a b'c",
        run_id="r-1",
        original_run_id="r-1",
        day=date(2026, 1, 31),
        backend="yarn",
        deploy_mode=str(changes.pop("deploy_mode", "cluster")),
        storage_root="/ml-pipeline",
        script=shipped("/home/alice/job.py"),
        arguments=(),
        params=None,
        conf={},
        py_files=changes.pop("py_files", (shipped("/home/alice/helper.py"), shipped("/home/alice/mod.zip"))),  # type: ignore[arg-type]
        files=changes.pop("files", (shipped("/home/alice/data.csv", "d.csv"),)),  # type: ignore[arg-type]
        archives=(shipped("/home/alice/env.tar.gz", "env"),),
    )
    values = {"argv": (), "environment": {}, "secrets": {}, "tags": ("Aa", "bb"), "fingerprint": Fingerprint({})}
    given = {"conf": CONF, "arguments": ("a b", 'c"d', "e'f", "$HOME", "back\\slash", "ä", "")}
    return SubmissionPlan(spec=spec, **{**values, **given, **changes})  # type: ignore[arg-type]
