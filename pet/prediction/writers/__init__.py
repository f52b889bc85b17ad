"""What predictions are written as: pictures, records, label maps, polygons, videos."""
