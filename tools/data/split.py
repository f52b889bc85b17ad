"""Divides a data set into training and validation: python tools/data/split.py '{type: voc, path: fruit}' --val-percent 20."""

from pet.commands.split import main

if __name__ == "__main__":
    main()
