"""Measures of quality, and the files that keep them."""
