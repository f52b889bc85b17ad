"""The start of a training: command line, config, processes."""
