"""How predictions are told in words: one file for each form of answer, such as a label or a text."""
