"""Predicts images and videos: python tools/inference.py --cfg PATH --images FOLDER|FILE|PATTERN --out FOLDER [--weights FILE]."""

from pet.commands.inference import main

if __name__ == "__main__":
    main()
