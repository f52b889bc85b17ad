"""Projects to begin with, which ``pet-new`` writes: their files, with placeholders, and what fills them."""
