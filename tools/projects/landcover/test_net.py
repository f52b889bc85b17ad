"""Tests a trained model of land cover; the last line is the result."""

from pet.projects import landcover
from petlib.launch import run_script

if __name__ == "__main__":
    run_script(landcover.test, task=landcover.config)
