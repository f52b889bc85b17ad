"""What AI Earth has in its cloud, from local files."""
