"""The framework part of antgo's vocabulary."""
