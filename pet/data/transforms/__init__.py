"""Transforms of samples, on OpenCV and numpy in uint8; every random number comes from the generator that they are handed."""
