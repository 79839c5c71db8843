"""Prompts made of boxes in photographs, with the image side as it is."""
