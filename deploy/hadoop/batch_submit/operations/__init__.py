"""One verb, one story, told from top to bottom."""
