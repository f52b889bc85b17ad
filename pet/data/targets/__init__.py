"""The kinds of targets: what their fields are, how they are checked, moved and joined."""
