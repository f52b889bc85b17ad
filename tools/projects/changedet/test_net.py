"""Tests a trained model of changes between two dates; the last line is the result."""

from pet import segmentation
from pet.projects import changedet
from petlib.launch import run_script

if __name__ == "__main__":
    run_script(segmentation.test, task=changedet.config)
