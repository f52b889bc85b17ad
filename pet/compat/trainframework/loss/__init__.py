"""Losses by name, and named groups of them."""
