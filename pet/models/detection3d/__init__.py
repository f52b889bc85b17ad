"""Detectors, composed from torchvision's parts, and the heads that look into their regions."""
