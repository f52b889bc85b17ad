"""Trains a model of buildings; the steps of the run stand in pet/segmentation/runs.py."""

from pet import segmentation
from pet.projects import buildseg
from petlib.launch import run_script

if __name__ == "__main__":
    run_script(segmentation.train, task=buildseg.config)
