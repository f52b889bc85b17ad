"""Divides a data set into training and validation: python tools/data/split.py '{type: voc, path: fruit}' --val-percent 20."""

from pet.cli import split

if __name__ == "__main__":
    split()
