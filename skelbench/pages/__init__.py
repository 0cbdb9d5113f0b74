"""A run as people see it: pages, charts, tables. Reads `skelbench.runs` alone, so that any stored run can be shown."""
