"""Entry point of the pipeline for spark-submit; the package comes along as a zip (--py-files)."""

import sys

from ml_pipeline_framework.pipeline import main

if __name__ == "__main__":
    main(sys.argv[1:])
