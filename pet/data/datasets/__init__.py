"""Data sets for classification, one kind a file."""
