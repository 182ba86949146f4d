"""Labels: from the values of the data to the numbers that Spark learns, and back."""
