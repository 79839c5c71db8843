"""Converters of data sets: streaming readers and writers, one module a layout.

Nothing here imports mmdet or torch at the top, so that the tools start at once and their peak
memory is that of the data.
"""
