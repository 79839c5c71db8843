"""Reading other projects' checkpoints without running them, and renaming what is in them."""
