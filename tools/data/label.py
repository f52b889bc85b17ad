"""Labels to fix, and images to label: python tools/data/label.py RUN [--split train] [--unlabelled FOLDER] [--top N]."""

from pet.cli import label

if __name__ == "__main__":
    label()
