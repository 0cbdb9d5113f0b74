"""Raw NTU folder -> packed dataset: `python -m skelbench.prepare`, or `skelbench.prepare.pipeline.prepare`."""
