"""Tests a trained model of buildings; the last line is the result."""

from pet import segmentation
from pet.projects import buildseg
from petlib.launch import run_script

if __name__ == "__main__":
    run_script(segmentation.test, task=buildseg.config)
