"""Brings faces to one place: python tools/data/align_faces.py --images FOLDER --points FILE --out FOLDER."""

from pet.cli import align_faces

if __name__ == "__main__":
    align_faces()
