"""What antgo's scripts take of its utilities."""
