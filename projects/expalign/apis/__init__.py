"""What users call beside mmdet's own inference functions."""
