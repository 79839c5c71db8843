"""The web demo: its page, and what stands between the page and strangers.

``page`` draws the page and ``search`` answers it. Around them: ``hosts`` (who may ask), ``guard``
(what may be asked, and how much of it), ``calls`` (what a call of the page may hold), ``storage``
(whose the files are, and how many), ``photographs`` (what is read of them), ``limits``.
"""
