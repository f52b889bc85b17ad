"""Trainers: presets and how they are changed."""
