"""Search for settings: a space in YAML, trials that are ordinary runs, Optuna, which is imported when it is needed."""
