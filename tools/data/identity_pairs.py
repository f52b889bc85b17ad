"""Makes lists for face recognition from folders of identities: python tools/data/identity_pairs.py FOLDER --unseen 10."""

from pet.commands.identity_pairs import main

if __name__ == "__main__":
    main()
