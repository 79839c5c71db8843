"""The detector as other packages want theirs: one module a package, which it needs to be there."""
