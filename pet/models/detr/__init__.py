"""Detectors that give a set of objects at once, without anchors and without suppression: D-FINE and RF-DETR, networks of transformers."""
