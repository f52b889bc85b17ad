"""The data sets of a user, and the loaders that read them."""
