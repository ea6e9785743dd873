"""EmojiNet: a tiny ImageNet-shaped world of real drawings, so that everything runs with no network, weights or GPU.

The same concepts were drawn by different artists: Twemoji plays ImageNet's photos, OpenMoji its renditions, Noto Emoji
(monochrome) its sketches. A student sees Twemoji alone; the tiny CLIP has seen all of it, as CLIP has seen the web.
"""
