"""Heads that count: how densely things lie, and where each of them is."""
