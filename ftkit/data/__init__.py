"""Files and Hub datasets -> rows -> checked examples. Importing it is cheap: no torch, no datasets."""
