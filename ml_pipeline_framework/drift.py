"""Drift: the training data's histograms, and how far other data is from them."""
