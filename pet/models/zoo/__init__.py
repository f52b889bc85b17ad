"""Published weights: what there is, under which licence, and how its files come to this machine."""
