"""Measures of predictions, one module per task; each takes one pass over the data and leaves no row in the driver."""
