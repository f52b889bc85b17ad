"""Writes a data set of objects in another format: python tools/data/convert.py '{type: voc, path: fruit}' --to yolo --out fruit_yolo."""

from pet.cli import convert

if __name__ == "__main__":
    convert()
