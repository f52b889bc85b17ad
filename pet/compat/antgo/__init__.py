"""One config for training, test and export as in antgo; docs/antgo.md shows it."""
