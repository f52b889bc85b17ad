"""Where the data of the antgo layer come from."""
