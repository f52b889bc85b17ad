"""Tests a trained model of one kind of target; the last line is the result."""

from pet import segmentation
from pet.projects import target_extraction
from petlib.launch import run_script

if __name__ == "__main__":
    run_script(segmentation.test, task=target_extraction.config)
