"""Parsers of annotation formats: pure functions from a file's entries to records.

They are what data sets and converters share; :mod:`expalign.datasets.formats.record` has the
form of a record.
"""
