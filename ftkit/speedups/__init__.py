"""Optional ways to compute the same faster, behind one table; nothing needs them."""
