"""From the entries of a config to batches: data sets, samplers, transforms and loaders."""
