"""Makes lists for face recognition from folders of identities: python tools/data/identity_pairs.py FOLDER --unseen 10."""

from pet.cli import identity_pairs

if __name__ == "__main__":
    identity_pairs()
