"""Raw NTU folder -> packed dataset: `skelbench prepare`, or `skelbench.prepare.pipeline.prepare`."""
