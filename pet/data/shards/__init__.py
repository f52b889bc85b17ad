"""Data sets in shards: tar files of samples with an index, on a disk or in a store of objects."""
