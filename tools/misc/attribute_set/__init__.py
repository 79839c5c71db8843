"""A made-up data set of objects with colours, textures and sizes; see make_attribute_set.py."""
