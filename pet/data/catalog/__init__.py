"""Names of data sets and what stands behind them. Imports nothing slow: settings are derived with it."""
