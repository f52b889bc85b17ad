"""Where data sets and the steps of pipelines are found by name."""
