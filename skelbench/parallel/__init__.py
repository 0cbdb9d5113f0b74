"""Training by several processes: who they are, what they exchange, and what of a batch each of them computes."""
