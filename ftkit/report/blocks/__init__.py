"""What the page shows of a split's predictions: one file a block, found by the names that a kind lists."""
