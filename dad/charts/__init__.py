"""Charts as inline SVG: text that a browser draws, without a library and without a script."""
