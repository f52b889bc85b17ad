"""Components of the user by name."""
