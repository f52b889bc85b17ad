"""The class that data sets derive from, and the built-in data sets."""
