"""What a run is: its folder, its results, and what can be said from them. Knows no registry, no training, no page."""
