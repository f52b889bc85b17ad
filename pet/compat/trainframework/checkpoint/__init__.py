"""Weights and states outside of a run; a run saves and restores its own."""
