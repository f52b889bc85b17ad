"""Models: networks, and how their losses are computed."""
