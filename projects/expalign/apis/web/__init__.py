"""The web page: its server, and what stands between it and strangers.

``server`` listens, ``guard`` looks at every request (``hosts``: who may ask, ``visitors``: who
asks), ``routes`` hands it on, ``turns`` says when it is its turn, ``service`` does it: ``words``,
``search`` and ``pictures``, with ``photographs`` (what is read of them) and ``shelf`` (whose things
are, how many, and for how long). ``limits`` has all numbers. The page itself is in the folder
``page``: one file each of HTML, style and script, as they are, without a build step.
"""
