"""What each format of data looks like in a folder: a file each, with a function ``find(folder)``."""
