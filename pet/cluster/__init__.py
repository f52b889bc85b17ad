"""Runs commands of Pet on clusters that others operate: Slurm through submitit, Ray through its jobs; or here."""
