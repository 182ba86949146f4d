"""Java source files that the adapters run with the classes of this host's Spark."""
