"""Draws what a model sees: python tools/data/browse.py --cfg PATH [--count 16] [--views 4] [--split train] [--out FILE]."""

from pet.cli import browse

if __name__ == "__main__":
    browse()
