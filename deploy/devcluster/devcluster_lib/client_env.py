"""What a client needs in its environment to work with the cluster, and the Spark conf folder that goes with it."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from devcluster_lib import certificates, kerberos
from devcluster_lib.layout import REPO, Cluster
from devcluster_lib.state import write_whole

VENV = REPO / ".venv"
#: `find_spec` tells where the package is without running it.
_PRINT_PYSPARK = """\
import importlib.util
spec = importlib.util.find_spec("pyspark")
print(spec.submodule_search_locations[0] if spec else "")
"""


def find_spark_home() -> Path | None:
    """Spark of the checkout's virtual environment, else SPARK_HOME, else of the ``pyspark`` that python3 imports."""
    candidates = sorted(VENV.glob("lib/python3*/site-packages/pyspark"), reverse=True)
    if os.environ.get("SPARK_HOME"):
        candidates.append(Path(os.environ["SPARK_HOME"]))
    for home in candidates:
        if (home / "bin" / "spark-submit").exists():
            return home.absolute()
    try:
        reply = subprocess.run(
            ["python3", "-c", _PRINT_PYSPARK], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    home = Path(reply.stdout.strip() or "/nonexistent")
    return home if (home / "bin" / "spark-submit").exists() else None


def write_spark_conf(cluster: Cluster, spark_home: Path) -> None:
    """Write ``spark-defaults.conf``.

    ``spark.yarn.jars`` with ``local:`` names jars that every node has: without it each submit zips and uploads all of
    ``jars/``, more than 400 MB (Spark's `running-on-yarn.md`). SPARK_LOCAL_IP: a host whose own name resolves to
    another interface would publish that address for drivers and executors.
    """
    lines = {
        "spark.yarn.jars": f"local:{spark_home}/jars/*",
        "spark.yarn.appMasterEnv.SPARK_LOCAL_IP": "127.0.0.1",
        "spark.executorEnv.SPARK_LOCAL_IP": "127.0.0.1",
        "spark.eventLog.dir": "hdfs:///spark-logs",
    }
    if options := " ".join(kerberos.java_options(cluster)):
        # This host's own krb5.conf knows nothing of the realm. "default": what a job sets as extraJavaOptions stays.
        lines |= {"spark.driver.defaultJavaOptions": options, "spark.executor.defaultJavaOptions": options}
        lines |= {"spark.yarn.am.extraJavaOptions": options}
    text = "".join(f"{key} {value}\n" for key, value in lines.items())
    write_whole(cluster.spark_conf_dir / "spark-defaults.conf", text)


def client_environment(cluster: Cluster, spark_home: Path | None) -> dict[str, str]:
    """Variables for a shell that is to use the cluster."""
    variables = {
        "HADOOP_CONF_DIR": str(cluster.conf_dir),
        "YARN_CONF_DIR": str(cluster.conf_dir),
        "JAVA_HOME": cluster.java_home,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    if spark_home:
        variables |= {"SPARK_HOME": str(spark_home), "SPARK_CONF_DIR": str(cluster.spark_conf_dir)}
    variables |= kerberos.client_variables(cluster) | certificates.client_variables(cluster)
    python = VENV / "bin" / "python"
    if python.exists():
        variables["PYTHON_PATH"] = str(python)  # the interpreter for the containers: it has numpy
    if any(os.environ.get(name) for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")):
        known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        hosts = dict.fromkeys([*filter(None, known.split(",")), "localhost", "127.0.0.1"])
        variables["no_proxy"] = variables["NO_PROXY"] = ",".join(hosts)
    return variables


def export_lines(variables: dict[str, str]) -> str:
    """``export NAME=value`` lines, quoted for a POSIX shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
