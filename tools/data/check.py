"""Looks at every sample of a config's data sets: python tools/data/check.py --cfg PATH [--split train] [--out FOLDER]."""

from pet.cli import check

if __name__ == "__main__":
    check()
