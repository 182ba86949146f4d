"""MLflow, where it is configured: a failure of tracking never fails a job."""
