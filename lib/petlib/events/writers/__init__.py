"""Writers, one a file: console, JSON lines, TensorBoard, progress line."""
