"""Recipes that turn a variant and a dataset into a fitted classifier. Nothing here prints."""
