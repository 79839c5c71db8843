"""Films, streams and cameras: read frame by frame, written so that browsers play them."""
