"""Networks that look at clips: float (B, C, T, H, W) to logits (B, classes)."""
