"""What spark-submit's YARN client would hand to the ResourceManager, made without a JVM: pure, from a plan to its JSON.

The specification is what Spark's own client was seen to send (recordings in ``tests/golden/rest``); where it corrupts a
value on the way into the container, ours arrives as it was given.
"""
