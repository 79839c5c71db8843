"""What packages hand to each other: prompts, masks, boxes on maps, batches, alignments.

Nothing is imported here: prompts are used without torch.
"""
