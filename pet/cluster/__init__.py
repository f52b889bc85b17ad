"""Runs commands of Pet on clusters that others operate: Slurm, through submitit, which is imported when it is needed; or here."""
