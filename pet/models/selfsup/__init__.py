"""Learning without labels: networks that compare views of the same images, with queues and teachers."""
