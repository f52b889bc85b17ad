"""Trains a model of changes between two dates; the steps of the run stand in pet/segmentation/runs.py."""

from pet import segmentation
from pet.projects import changedet
from petlib.launch import run_script

if __name__ == "__main__":
    run_script(segmentation.train, task=changedet.config)
