"""The built-in measures: ``keys()`` says what they compare, ``measure(preds, gts)`` gives figures by name.

``preds`` and ``gts`` have one dictionary a sample, in the same order, with arrays or tensors. A measure draws on no other process: it is
given the samples of all of them.
"""
