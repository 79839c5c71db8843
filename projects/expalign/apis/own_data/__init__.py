"""Training on a user's own photographs: prepared data, a config, measures, a report."""
