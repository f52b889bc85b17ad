"""Networks that compare two dates."""
