"""What a smaller share of DAD images in a batch costs and spares, on EmojiNet."""
