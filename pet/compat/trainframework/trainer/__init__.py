"""The training of a model of the door."""
