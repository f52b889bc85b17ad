"""Data sets divided into training and validation."""
