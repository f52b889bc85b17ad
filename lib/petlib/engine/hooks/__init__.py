"""The hooks of a run, one a file."""
