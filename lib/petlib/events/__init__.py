"""What a run reports while it goes: values of iterations, and the writers that print and keep them."""
