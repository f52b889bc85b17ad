"""Brings faces to one place: python tools/data/align_faces.py --images FOLDER --points FILE --out FOLDER."""

from pet.commands.align_faces import main

if __name__ == "__main__":
    main()
