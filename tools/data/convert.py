"""Writes a data set of objects in another format: python tools/data/convert.py '{type: voc, path: fruit}' --to yolo --out fruit_yolo."""

from pet.commands.convert import main

if __name__ == "__main__":
    main()
