"""Trains a model of one kind of target; the steps of the run stand in pet/segmentation/runs.py."""

from pet import segmentation
from pet.projects import target_extraction
from petlib.launch import run_script

if __name__ == "__main__":
    run_script(segmentation.train, task=target_extraction.config)
