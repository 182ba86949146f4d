"""Batch submission for Spark on YARN, edge side: it plans, submits, watches and explains. Importing it does nothing."""

__version__ = "0.1.0"
