"""The heads of the general CNN: :mod:`pet.vision.heads.table` lists them, :mod:`pet.vision.heads.settings` has their keys."""
