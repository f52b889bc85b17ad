"""From images to predictions, by PyTorch or by onnxruntime."""
