"""Reading files of images, labels, videos and tables that come from outside."""
