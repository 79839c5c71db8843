"""Weights in files: reading them safely, converting, joining and publishing them.

Nothing is imported here, so that a start-up hook can name these modules at no cost.
"""
