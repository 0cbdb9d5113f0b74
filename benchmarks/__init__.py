"""Speed of skelbench against its peers and against what the machine can do."""
