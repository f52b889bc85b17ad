"""Names of data sets and what they refer to. Imports nothing slow: settings are derived with it."""
