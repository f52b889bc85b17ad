"""Trains a model of land cover; the steps of the run stand in pet/projects/landcover/runs.py."""

from pet.projects import landcover
from petlib.launch import run_script

if __name__ == "__main__":
    run_script(landcover.train, task=landcover.config)
