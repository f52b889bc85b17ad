"""The heads of the general CNN, a module for each; :mod:`pet.vision.heads.table` lists them."""
