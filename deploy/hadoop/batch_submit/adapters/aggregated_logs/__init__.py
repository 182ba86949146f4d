"""YARN's aggregated log files in HDFS, read without a JVM: where they lie, and the formats TFile and IFile."""
