"""What the economy of fewer virtual epochs costs, on EmojiNet."""
