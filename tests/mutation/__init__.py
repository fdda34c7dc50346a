"""Changes the code that guards secrets, one small change at a time, to see whether a test notices: `make mutants`."""
