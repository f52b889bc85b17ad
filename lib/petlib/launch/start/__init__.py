"""From a command line to the processes of a run: arguments, script, config, devices, one command a rank."""
