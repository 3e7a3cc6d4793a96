"""Ways of using a model that a card shows: one file a way, found by the name that a run's recipe carries."""
