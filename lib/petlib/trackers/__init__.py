"""Experiment trackers: what they get of a run, and the processes that they work in."""
