"""Fuzzing targets, one file for each part that reads what comes from elsewhere."""
