"""Whether what EmojiNet shows holds with 1,161 classes at 128 px: a size more like ImageNet's."""
