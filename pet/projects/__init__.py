"""Projects, one folder each; see docs/add_a_task.md."""
