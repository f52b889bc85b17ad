"""What each process of a run, and each tool, runs in: arguments, config, log, exit code."""
