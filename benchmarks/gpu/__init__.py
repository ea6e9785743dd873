"""One command for whoever has a card, `python -m benchmarks.gpu --out DIR`: what only a card can tell, part by part."""
