"""The vocabulary of AI Earth's deep learning SDK (https://github.com/aiearth-damo/deeplearning); see docs/train_job.md."""
