"""Where the data of antgo's door come from."""
