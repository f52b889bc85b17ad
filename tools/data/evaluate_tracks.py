"""Measures tracks: python tools/data/evaluate_tracks.py --truth FOLDER --results FOLDER [--benchmark MOT17]."""

from pet.cli import evaluate_tracks

if __name__ == "__main__":
    evaluate_tracks()
