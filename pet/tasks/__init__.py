"""Tasks with settings, models or scripts of their own, a folder each. They never import each other."""
