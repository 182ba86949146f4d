"""Log4j files handed to spark-submit by SPARK_SUBMIT_OPTS."""
