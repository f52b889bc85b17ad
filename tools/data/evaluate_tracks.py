"""Measures tracks: python tools/data/evaluate_tracks.py --truth FOLDER --results FOLDER [--benchmark MOT17]."""

from pet.commands.evaluate_tracks import main

if __name__ == "__main__":
    main()
