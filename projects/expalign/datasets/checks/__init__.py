"""Checks of a config's data: what annotation files say, and whether the images are there.

Annotation files are read as they are, not as the data sets give them: what a data set skips or
repairs is just what is to be found.
"""
