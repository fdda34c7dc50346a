"""Where keys are used, how often, and how often they are refused: counted in memory, written beside requests."""
