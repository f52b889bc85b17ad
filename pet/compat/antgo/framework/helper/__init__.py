"""Trainer, Tester and Exporter, and what a user registers for them."""
