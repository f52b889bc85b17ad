"""What the compatibility layers have in common."""
