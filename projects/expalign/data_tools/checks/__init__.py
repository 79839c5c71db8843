"""Checks of a config's data: what annotation files say, and whether the images are there.

Annotation files are read by the data sets themselves, with another account of their problems:
:class:`~expalign.data_tools.checks.collected.CollectedProblems` counts what stops training, and
hears of everything that training leaves out or repairs.
"""
