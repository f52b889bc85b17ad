"""The launcher while its ranks run: it supervises them, and diagnoses which one failed first."""
