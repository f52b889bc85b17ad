"""Models that were trained before."""
