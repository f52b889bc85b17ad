"""Optimizer, learning rate and clipping of each network."""
