"""Further protocols on a trained encoder, each a word of `--evaluate`: one module for each, named in `words`."""
