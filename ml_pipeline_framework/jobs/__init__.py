"""One module per job type: its pure DataFrame functions, ``run(spark, params)`` and ``main(argv)``."""
