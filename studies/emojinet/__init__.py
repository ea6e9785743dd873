"""Does it work? The paper's claims, tested on EmojiNet: `python -m studies.emojinet run`, then `... table`."""
