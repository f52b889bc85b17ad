"""Semantic segmentation: decoders of feature maps, and the head around them."""
