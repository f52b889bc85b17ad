"""Networks of one object: trunks that keep fine maps, heads for keypoints, masks and parts, and heatmaps."""
