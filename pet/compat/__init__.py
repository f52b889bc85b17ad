"""The compatibility layers: scripts that were written for other toolboxes run on Pet with only their imports changed."""
